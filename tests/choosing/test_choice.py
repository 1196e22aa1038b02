"""What was chosen as numbers: what surpasses what, written and read again, and as a section of a report."""

import json
import re

import numpy as np
import pytest

from command_lines import refusal
from distill_jax.choosing.candidate import Candidate, Cost
from distill_jax.choosing.choice import CHOICES, Choice, read_choice
from distill_jax.choosing.recommendation import Limits, Recommendation, pareto_front
from distill_jax.errors import InputError
from distill_jax.metrics.interval import Interval
from distill_jax.report import ReportConfig, main, write_report
from run_folders import write_run

PREDICTED = (0, 0, 1, 1, 0, 0, 1, 2, 0, 1)
NAMES = {"a<b>": (100, 0.5), "larger and worse": (200, 0.4), "larger and better": (300, 0.6), "as good": (400, 0.6)}


@pytest.fixture
def choice():
    candidates = [
        Candidate(name, "student", Interval(score, score - 0.1, score + 0.1), np.empty(0), Cost(size, 0.1, 0.2, 1e3, 9))
        for name, (size, score) in NAMES.items()
    ]
    candidates.append(Candidate("Teacher", "teacher", Interval(0.9, 0.8, 1.0), np.empty(0), Cost(None)))
    front = tuple(pareto_front(candidates, 1))
    found = Recommendation(candidates[0], "a<b> is the smallest.")
    return Choice("Accuracy", 10, "f1", Limits(1_000, 1.0), tuple(candidates), front, found)


@pytest.fixture
def written(tmp_path, choice):
    CHOICES.write(tmp_path / "choice.json", choice.to_json())
    return tmp_path / "choice.json"


def test_what_is_no_larger_and_no_worse_surpasses(choice):
    found = {each.name: choice.surpassed_by(each) for each in choice.candidates}
    names = {name: None if each is None else each.name for name, each in found.items()}
    assert names == {
        "a<b>": None,
        "larger and worse": "a<b>",
        "larger and better": None,
        "as good": "larger and better",
        "Teacher": None,
    }


def test_a_choice_is_read_as_it_was_written(choice, written):
    again = read_choice(written)
    assert again.to_json() == choice.to_json()
    assert again.surpassed_by(again.candidates[1]) is again.candidates[0]


def test_a_report_says_which_one_to_ship(tmp_path, written):
    write_run(tmp_path / "runs" / "cnn", PREDICTED, export_fields={"data_fingerprint": "f1"})
    page = write_report(ReportConfig(runs=(tmp_path / "runs",), choice=written)).read_text()
    assert "<h2>Which one to ship?</h2>\n<p>a&lt;b&gt; is the smallest.</p>" in page
    assert re.search(r'a&lt;b&gt; <span class="tag">recommended</span>', page)
    assert page.count("<td>nothing</td>") == 2
    assert "<td>a&lt;b&gt;</td>" in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(identifiers)) == len(identifiers)
    assert "Which one to ship" not in write_report(ReportConfig(runs=(tmp_path / "runs",))).read_text()


def test_what_is_no_choice_of_these_runs_is_refused(capsys, tmp_path, written):
    write_run(tmp_path / "runs" / "cnn", PREDICTED, export_fields={"data_fingerprint": "another"})
    assert "got others' (data_fingerprint f1 and another)" in refusal(
        capsys, main, tmp_path / "runs", "--choice", written
    )
    assert not (tmp_path / "runs" / "report.html").exists()
    assert "there is no such file" in refusal(capsys, main, tmp_path / "runs", "--choice", tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"candidates": []}')
    with pytest.raises(InputError, match="found something else"):
        read_choice(tmp_path / "other.json")


@pytest.mark.parametrize(
    "change",
    [
        {"pareto_front": ["none"]},
        {"candidates": 7},
        {
            "candidates": [
                Candidate("Teacher", kind, Interval(1, 1, 1), np.empty(0), Cost(1)).to_json()
                for kind in ("student", "teacher")
            ],
            "pareto_front": [],
            "recommended": "Teacher",
        },
        {"limits": {}},
        {"recommended": "none"},
        {"test_rows": "many"},
        {"candidates": [{"name": "x", "kind": "student", "score": {"value": 1, "low": 1, "high": 1}, "bytes": -1}]},
    ],
)
def test_numbers_that_do_not_go_together_are_refused(written, change):
    written.write_text(json.dumps({**json.loads(written.read_text()), **change}))
    with pytest.raises(InputError, match="choose again"):
        read_choice(written)
