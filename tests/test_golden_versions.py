"""What earlier versions wrote is read today: ``golden/v…`` (see ``golden/generate.py``)."""

import json
import shutil
from pathlib import Path

import pytest

from distill_jax import report
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from distill_jax.inference.predictor import Predictor
from distill_jax.runs.config import student_of, training_of
from distill_jax.runs.folder import read_config, read_run
from distill_jax.training.run import TrainRun, train_run
from tolerances import OF_LOGITS, assert_close

GOLDEN = sorted(path for path in (Path(__file__).resolve().parent / "golden").glob("v*") if path.is_dir())
STUDENTS = ("fasttext", "cnn", "bilstm")

pytestmark = pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)


def test_the_export_opens_and_every_part_is_whole(folder):
    manifest = read_manifest(folder / "export")
    counts = {split: manifest.examples(split) for split in manifest.splits}
    assert counts == {"train": 24, "validation": 8, "test": 12, "transfer": 8}
    for split, rows in counts.items():
        assert sum(len(part) for part in iterate_parts(folder / "export", manifest, split)) == rows


@pytest.mark.parametrize("student", STUDENTS)
def test_a_run_predicts_what_it_predicted(folder, student):
    expected = json.loads((folder / "expected_logits.json").read_text())
    logits = Predictor.load(folder / "runs" / student).logits(expected["texts"])
    assert_close(logits, expected["logits"][student], **OF_LOGITS)


def test_runs_are_reported(folder, tmp_path):
    runs = [folder / "runs" / student for student in STUDENTS]
    page = report.write_report(report.ReportConfig(runs=runs, output=tmp_path / "report"))
    assert page.exists()


def test_an_unfinished_run_goes_on_and_ends_as_the_one_that_was_never_stopped(folder, tmp_path):
    workdir = shutil.copytree(folder / "runs" / "unfinished", tmp_path / "run")
    config = read_config(workdir)
    train, student = training_of(config, "train"), student_of(config, "student")
    train_run(TrainRun(folder / "export", workdir, train, student.options(), resume=True))
    resumed, whole = read_run(workdir), read_run(folder / "runs" / "cnn")
    assert resumed.history["epoch"].tolist() == [0, 1]
    assert_close(resumed.predictions.logits, whole.predictions.logits, **OF_LOGITS)
