"""The seam of tasks: what a task answers is what the libraries say, and an unknown one is refused everywhere."""

import json
import shutil

import jax
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss

from command_lines import refusal
from distill_jax import predict, report
from distill_jax.errors import InputError
from distill_jax.export.format import ExportFormatError, parse_manifest, read_manifest
from distill_jax.losses import cross_entropy, kl_at_temperature, logit_mse, standardise
from distill_jax.students.registry import student_config
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from run_folders import record
from tiny_export import tiny_header
from tolerances import assert_close

RNG = np.random.default_rng(0)
LOGITS, TEACHER = RNG.normal(size=(2, 40, 3)).astype(np.float32)
LABELS = RNG.integers(-1, 3, 40).astype(np.int32)


def test_a_single_label_s_answers_probabilities_and_scores_are_scikit_learn_s():
    known = SINGLE_LABEL.is_labelled(LABELS)
    answers = SINGLE_LABEL.answers(LOGITS)
    probabilities = SINGLE_LABEL.probabilities(LOGITS)
    assert known.tolist() == [label >= 0 for label in LABELS.tolist()]
    expected = softmax(LOGITS.astype(np.float64), axis=1)
    assert_close(probabilities, expected, terms=3, why="a row's exponentials", dtype=np.float64)
    assert (
        answers.tolist()
        == probabilities.argmax(axis=1).tolist()
        == SINGLE_LABEL.answers(jax.numpy.asarray(LOGITS)).tolist()
    )
    found = SINGLE_LABEL.scores(LABELS[known], answers[known])
    expected = [
        score(LABELS[known], answers[known]) for score in (accuracy_score, lambda a, b: f1_score(a, b, average="macro"))
    ]
    assert list(found) == expected
    assert SINGLE_LABEL.losses(LOGITS[known], LABELS[known]).mean() == pytest.approx(
        log_loss(LABELS[known], probabilities[known])
    )


def test_a_single_label_s_losses_are_those_of_the_losses_module():
    known = LABELS >= 0
    hard = np.asarray(SINGLE_LABEL.label_loss(LOGITS, LABELS))
    np.testing.assert_array_equal(hard[known], cross_entropy(LOGITS[known], LABELS[known]))
    assert (hard[~known] == 0).all()
    soft = SINGLE_LABEL.soft_loss
    np.testing.assert_array_equal(soft(LOGITS, TEACHER, "mse", 1.0, standardised=False), logit_mse(LOGITS, TEACHER))
    expected = kl_at_temperature(standardise(LOGITS), standardise(TEACHER), 2.0)
    np.testing.assert_array_equal(soft(LOGITS, TEACHER, "kl", 2.0, standardised=True), expected)


@pytest.mark.parametrize("name", ["ranking", 3, None])
def test_a_task_that_is_not_known_is_refused_and_never_taken_for_another(name):
    with pytest.raises(InputError, match=r"task: expected one of single-label, multi-label, score, got"):
        task_named(name)
    with pytest.raises(ExportFormatError, match=r"^m: task: expected one of single-label, multi-label, score, got"):
        parse_manifest({**tiny_header().to_json(), "task": name}, "m")


def test_a_manifest_says_its_task_only_where_it_is_another(tiny_export):
    assert read_manifest(tiny_export).task == "single-label"
    assert "task" not in json.loads((tiny_export / "manifest.json").read_text())


def test_a_student_takes_the_manifest_s_task(tiny_export):
    config = student_config("cnn", **read_manifest(tiny_export).sizes)
    assert config.labelling is SINGLE_LABEL


def test_a_run_of_a_task_that_is_not_known_is_refused(tiny_runs, tmp_path, capsys):
    run = shutil.copytree(tiny_runs["fasttext"], tmp_path / "run")
    path = run / "config.json"
    config = json.loads(path.read_text())
    assert config["student"]["task"] == "single-label"
    config["student"]["task"] = "ranking"
    path.write_text(json.dumps(config))
    record(run)
    for command in ((predict.main, "--run", run), (report.main, run)):
        error = refusal(capsys, *command)
        assert (
            f"run configuration {path}: student: task: expected one of single-label, multi-label, score, got 'ranking'"
            in error
        )


def test_answers_are_judged_by_labels_and_by_the_teacher_where_there_is_none():
    nothing = np.full_like(LABELS, -1)
    assert SINGLE_LABEL.references(LABELS, TEACHER) is LABELS
    assert SINGLE_LABEL.references(nothing, None) is nothing
    found = SINGLE_LABEL.references(nothing, TEACHER)
    assert (found.dtype, found.tolist()) == (LABELS.dtype, TEACHER.argmax(axis=1).tolist())
