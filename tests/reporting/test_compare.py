import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.compare import main
from distill_jax.files import temporary_beside
from distill_jax.locks import exclusive, lock_file
from distill_jax.metrics.classification import accuracy, macro_f1
from distill_jax.report import main as report
from run_folders import LABELS, TEACHER, write_run

FIRST = (0, 0, 1, 1, 2, 2, 1, 2, 0, 1)
SECOND = (0, 0, 1, 1, 0, 0, 1, 2, 0, 1)
STARS = ("1 star", "2 stars", "3 stars")


@pytest.fixture
def pair(tmp_path):
    first = write_run(tmp_path / "distilled", FIRST, distil=True, label_names=STARS)
    return first, write_run(tmp_path / "direct", SECOND, label_names=STARS)


def test_it_prints_both_models_and_writes_the_same_numbers(pair, tmp_path, capsys):
    status, said, _ = call(capsys, main, *pair, "--json", tmp_path / "out" / "numbers.json")
    assert status == 0
    numbers = json.loads((tmp_path / "out" / "numbers.json").read_text())
    for name, predicted in (("first", FIRST), ("second", SECOND)):
        scores = numbers[name]["measures"]["scores"]
        assert scores["accuracy"]["value"] == pytest.approx(accuracy(np.array(LABELS), np.array(predicted)))
        assert scores["macro_f1"]["value"] == pytest.approx(macro_f1(np.array(LABELS), np.array(predicted)))
        assert f"{scores['accuracy']['value']:.3f} ({scores['accuracy']['low']:.3f}–" in said
    assert (numbers["first"]["name"], numbers["second"]["name"]) == ("CNN (distilled)", "CNN")
    assert numbers["lead"]["accuracy_difference"]["value"] == pytest.approx(0.2)
    assert numbers["lead"]["mcnemar"] == {
        "both_right": 4, "only_first": 2, "only_second": 0, "both_wrong": 4, "p_value": 0.5,
    }  # fmt: skip
    assert numbers["test_rows"] == 10
    assert f"{100 * numbers['lead']['accuracy_probability']:.1f} %" in said
    for expected in ("A: CNN (distilled)", "B: CNN", "p = 0.500", "Quadratic kappa", "Calibration error", "+0.200"):
        assert expected in said, expected
    assert "No clear difference" in said
    assert max(map(len, said.splitlines()[2:])) <= 120


def test_what_a_killed_comparison_left_goes_with_the_next_one(pair, tmp_path, capsys):
    numbers = tmp_path / "numbers.json"
    left = [temporary_beside(numbers), lock_file(numbers)]
    for path in left:
        path.write_text("{")
    other = temporary_beside(tmp_path / "others.json")
    other.write_text("{")
    assert call(capsys, main, *pair, "--json", numbers)[0] == 0
    assert not any(path.exists() for path in left)
    assert other.exists()
    with exclusive(numbers, "comparison"):
        assert "another process is writing it" in refusal(capsys, main, *pair, "--json", numbers)


def test_a_student_is_compared_with_its_teacher(pair, tmp_path, capsys):
    status, said, _ = call(capsys, main, pair[0], "--teacher", "--json", tmp_path / "n.json")
    assert status == 0
    assert "B: Teacher" in said
    second = json.loads((tmp_path / "n.json").read_text())["second"]["measures"]
    assert second["scores"]["accuracy"]["value"] == pytest.approx(accuracy(np.array(LABELS), np.array(TEACHER)))
    assert (second["divergence"], second["agreement"]) == (0, 1)


@pytest.mark.parametrize(("right", "word"), [((700, 500), "clearly better"), ((500, 700), "clearly worse")])
def test_a_clear_difference_is_called_so(tmp_path, capsys, right, word):
    labels = np.arange(1000) % 3
    for name, count in zip("ab", right, strict=True):
        predicted = np.where(np.arange(1000) < count, labels, (labels + 1) % 3)
        write_run(tmp_path / name, predicted.tolist(), labels=labels.tolist(), teacher=labels.tolist())
    said = call(capsys, main, tmp_path / "a", tmp_path / "b")[1]
    assert f"A is {word}" in said
    assert "p < 0.001" in said
    assert "Quadratic kappa" not in said  # bad, fair, good are no numbers


def test_rows_without_a_label_are_left_out_of_the_scores(tmp_path, capsys):
    labels = (*LABELS[:8], -1, -1)
    a = write_run(tmp_path / "a", FIRST, labels=labels)
    b = write_run(tmp_path / "b", SECOND, labels=labels)
    assert "8 test texts" in call(capsys, main, a, b)[1]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"first_id": 5}, "tested on different rows"),
        ({"labels": LABELS[::-1]}, "the labels of their test rows differ, first in row 1"),
        ({"label_names": ("a", "b", "c")}, "their classes differ"),
        ({"teacher_fields": {"fingerprint": "teacher-2"}}, "does not say of which texts (data_fingerprint)"),
        ({"teacher": TEACHER[::-1]}, "does not say of which texts (data_fingerprint)"),
    ],
)  # fmt: skip
def test_runs_that_do_not_fit_together_are_refused(tmp_path, capsys, other, message):
    ours, theirs = write_run(tmp_path / "ours", FIRST), write_run(tmp_path / "theirs", FIRST, **other)
    said = refusal(capsys, main, ours, theirs, "--json", tmp_path / "n.json")
    assert said.startswith(f"runs {ours} and {theirs} cannot be compared: ")
    assert message in said
    assert not (tmp_path / "n.json").exists()


OTHER_TEACHER = {"teacher_fields": {"fingerprint": "teacher-2", "name": "small"}, "teacher": TEACHER[::-1]}


@pytest.mark.parametrize("other", [OTHER_TEACHER, {"teacher": TEACHER[::-1]}])
def test_students_of_two_teachers_are_compared_on_the_same_texts(tmp_path, capsys, other):
    texts = {"data_fingerprint": "texts-1"}
    ours = write_run(tmp_path / "ours", FIRST, export_fields=texts)
    theirs = write_run(tmp_path / "theirs", SECOND, export_fields={**texts, "name": "second"}, **other)
    status, said, _ = call(capsys, main, ours, theirs, "--json", tmp_path / "n.json")
    assert status == 0
    name = other.get("teacher_fields", {}).get("name", "big")
    assert f"A is of the export tiny (teacher big), B of second (teacher {name}): KL and agreement are each" in said
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert numbers["exports"] == ["tiny (teacher big)", f"second (teacher {name})"]
    assert numbers["lead"]["accuracy_difference"]["value"] == pytest.approx(0.2)
    assert "A is of the export" not in call(capsys, main, ours, ours)[1]
    assert "teacher" in refusal(capsys, report, ours, theirs)  # a report's gap is to one teacher


def test_students_of_other_texts_are_not_compared_however_like_their_labels(tmp_path, capsys):
    ours = write_run(tmp_path / "ours", FIRST, export_fields={"data_fingerprint": "texts-1"})
    theirs = write_run(tmp_path / "theirs", SECOND, export_fields={"data_fingerprint": "texts-2"}, **OTHER_TEACHER)
    assert "of other texts, or of other splits" in refusal(capsys, main, ours, theirs)


def test_equal_answers_of_one_teacher_to_other_data_are_pointed_out(tmp_path, capsys):
    runs = [write_run(tmp_path / n, FIRST, export_fields={"data_fingerprint": n}) for n in ("ours", "theirs")]
    for program in (main, report):
        status, _, said = call(capsys, program, *runs)
        assert status == 0
        assert said.count("their exports are of other texts, or of other splits of them") == 1


def test_students_of_two_teachers_that_judge_them_are_not_compared(tmp_path, capsys):
    options = {"labels": (-1,) * 10, "export_fields": {"data_fingerprint": "texts-1"}}
    ours = write_run(tmp_path / "ours", FIRST, **options)
    teacher = {"teacher_fields": {"fingerprint": "teacher-2"}}
    theirs = write_run(tmp_path / "theirs", SECOND, **options, **teacher)
    assert "their teachers differ" in refusal(capsys, main, ours, theirs)


def test_options_that_do_not_fit_together_are_refused(pair, tmp_path, capsys):
    assert refusal(capsys, main, pair[0]) == "expected either a second run (RUN_B) or --teacher, got neither"
    assert refusal(capsys, main, *pair, "--teacher").endswith("got RUN_B and --teacher")
    assert "found a folder" in refusal(capsys, main, *pair, "--json", tmp_path)
    assert "there is no such folder" in refusal(capsys, main, pair[0], tmp_path / "none")


def test_help_answers_at_once():
    started = time.monotonic()
    helped = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "distill_jax.compare", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "RUN_A" in helped.stdout
    assert not re.search(r"\| +(numpy|pandas|scipy|sklearn|statsmodels|jax)$", helped.stderr, re.MULTILINE)
    assert time.monotonic() - started < 10
