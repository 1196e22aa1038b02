"""Simple baselines in reports: trained once on what the students learn from, shown, and what is said of students."""

import csv
import io

import numpy as np
import pytest

from command_lines import call
from distill_jax.baselines import kept as kept_file
from distill_jax.baselines.kept import kept_baselines
from distill_jax.baselines.of_export import Answered
from distill_jax.data.exports import Export
from distill_jax.report import BASELINES, main
from distill_jax.reporting.comparable_runs import find_runs, read_runs
from distill_jax.reporting.summary import notes
from distill_jax.reporting.table import build_table
from run_folders import write_run
from tiny_export import LABEL_NAMES, write_tiny_export

LABELLED = "TF-IDF + logistic regression on labels"
OF_TEACHER = "TF-IDF + ridge on the teacher's logits"


@pytest.fixture
def runs(tmp_path):
    """Return a folder with two runs of an export that is there: one right on every test row, one always wrong."""
    export = Export.open(write_tiny_export(tmp_path / "exports" / "tiny"))
    test = export.test
    about = {"path": str(export.folder), "fingerprint": export.manifest.fingerprint}
    options = {"labels": test.labels, "teacher": test.teacher_logits.argmax(axis=1), "label_names": LABEL_NAMES}
    options |= {"export_fields": about, "example_ids": test.example_ids}
    classes = len(LABEL_NAMES)
    write_run(tmp_path / "runs" / "right", test.labels, **options)
    write_run(tmp_path / "runs" / "wrong", (test.labels + 1) % classes, distil=True, **options)
    return tmp_path / "runs"


def test_a_report_trains_them_once_and_says_which_student_is_no_better(runs, capsys, monkeypatch):
    status, said, error = call(capsys, main, runs)
    assert status == 0, error
    assert "training the simple baselines" in error
    best = max(table_of(runs).baselines, key=lambda row: row.accuracy)
    assert f"No better than the simple baseline {best.model} ({best.accuracy:.3f}): CNN (distilled) (−" in said
    assert f"learly more accurate than the simple baseline {best.model}" in said or best.accuracy > 0.9
    rows = list(csv.DictReader(io.StringIO((runs / "results.csv").read_text())))
    assert [row["model"] for row in rows][-2:] == [LABELLED, OF_TEACHER]
    assert float(rows[-1]["accuracy"]) > 0.5  # of three classes
    page = (runs / "report.html").read_text()
    assert page.count('<tr class="baseline">') == 2
    before = {name: (runs / name).read_bytes() for name in ("report.html", "results.csv", BASELINES)}
    monkeypatch.setattr(kept_file, "answered_baselines", lambda _: pytest.fail("they were trained again"))
    assert call(capsys, main, runs)[0] == 0
    assert {name: (runs / name).read_bytes() for name in before} == before
    (runs / BASELINES).unlink()
    monkeypatch.undo()
    assert call(capsys, main, runs)[0] == 0  # trained anew it has the same bytes
    assert {name: (runs / name).read_bytes() for name in before} == before
    assert call(capsys, main, runs, "--no-baselines")[0] == 0
    assert "baseline" not in (runs / "results.csv").read_text()


def table_of(folder):
    runs = read_runs(find_runs([folder]))
    export = runs[0].config["export"]
    kept = kept_baselines(folder / BASELINES, None, export, runs[0].predictions.example_ids, lambda: None)
    assert len(kept.baselines) == 2
    return build_table(runs, kept)


def test_without_the_export_a_report_says_why_there_are_none(tmp_path, capsys):
    write_run(tmp_path / "runs" / "a", (0, 0, 1, 1, 0, 0, 1, 2, 0, 1))
    status, said, error = call(capsys, main, tmp_path / "runs")
    assert status == 0, error
    assert "No simple baselines stand here: the export that they would learn from, exports/tiny, is not there." in said
    assert not (tmp_path / "runs" / BASELINES).exists()


def test_what_is_kept_is_of_the_same_export_and_rows_or_it_is_trained_anew(runs, tmp_path, capsys):
    assert call(capsys, main, runs)[0] == 0
    path, export = runs / BASELINES, Export.open(tmp_path / "exports" / "tiny")
    described = {"path": "x", "fingerprint": export.manifest.fingerprint, "label_names": LABEL_NAMES}
    ids = export.test.example_ids
    trained = []
    for about, rows in [(described, ids), (described | {"fingerprint": "other"}, ids), (described, ids + 1)]:
        found = kept_baselines(path, None, about, rows, lambda: trained.append(1))
        assert bool(found.baselines) == (about is described and rows is ids)
    other = kept_baselines(path, export.folder, described | {"fingerprint": "other"}, ids, lambda: trained.append(1))
    assert "is another than the one that the runs learned from" in other.why_none
    path.write_bytes(path.read_bytes()[:-50])
    assert not trained
    assert call(capsys, main, runs)[0] == 0  # damaged, but ours: written anew
    path.write_bytes(b"something else")
    status, _, error = call(capsys, main, runs)
    assert status == 2
    assert "expected no such file, or a report's" in error


@pytest.mark.parametrize(
    "change",
    [
        lambda logits: logits[:, :, 1:],
        lambda logits: logits.astype(str),
        lambda logits: np.full_like(logits, np.nan),
        lambda logits: logits.astype(np.float64),
    ],
)
def test_kept_answers_that_no_baseline_gave_are_not_read(runs, capsys, change):
    assert call(capsys, main, runs)[0] == 0
    before = (runs / "results.csv").read_bytes()
    with np.load(runs / BASELINES) as kept:
        arrays = dict(kept)
    np.savez(runs / BASELINES, **(arrays | {"logits": change(arrays["logits"])}))
    status, _, error = call(capsys, main, runs)
    assert status == 0
    assert "training the simple baselines" in error
    assert (runs / "results.csv").read_bytes() == before


@pytest.mark.parametrize(("right", "words"), [(0.5, "No better than"), (0.3, "Clearly more accurate than")])
def test_a_student_is_set_against_the_better_baseline(tmp_path, right, words):
    labels = (np.arange(400) % 4).tolist()
    student = [label if row % 20 < 10 else (label + 1) % 4 for row, label in enumerate(labels)]
    write_run(tmp_path / "a", student, labels=labels, teacher=labels, label_names=tuple("abcd"))
    wrong = [label if row % 20 < 20 * right else (label + 1) % 4 for row, label in enumerate(labels)]
    better, worse = (np.eye(4, dtype=np.float32)[each] for each in (wrong, [(label + 1) % 4 for label in labels]))
    found = [Answered("worse", worse, 10, 20, 100), Answered("better", better, 10, 20, 100)]
    table = build_table(read_runs([tmp_path / "a"]), kept_file.KeptBaselines(tuple(found)))
    assert table.best_baseline.model == "better"
    assert any(note.startswith(f"{words} the simple baseline better ({right:.3f}): CNN (") for note in notes(table))
