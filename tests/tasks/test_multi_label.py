"""The task ``multi-label``: its losses are torch's, its metrics scikit-learn's, in NumPy and in JAX alike."""

import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from distill_jax.errors import InputError
from distill_jax.tasks.registry import task_named
from tolerances import assert_close

RNG = np.random.default_rng(0)
LABELS = (RNG.random((60, 4)) < [0.5, 0.3, 0.2, 0.6]).astype(np.int8)
LOGITS, TEACHER = RNG.normal(size=(2, 60, 4)).astype(np.float32)
TASK = task_named("multi-label")
NAMES = ("a", "b", "c", "d")


def test_metrics_are_those_of_scikit_learn():
    answers = (LOGITS >= 0).astype(int)
    found = {metric.name: metric.of(LABELS, LOGITS) for metric in TASK.metrics}
    assert found == pytest.approx(
        {
            "micro_f1": f1_score(LABELS, answers, average="micro"),
            "macro_f1": f1_score(LABELS, answers, average="macro"),
            "average_precision": average_precision_score(LABELS, LOGITS),
            "subset_accuracy": accuracy_score(LABELS, answers),
        }
    )


def test_average_precision_takes_equal_scores_together():
    rounded = np.round(LOGITS)
    (metric,) = (metric for metric in TASK.metrics if metric.name == "average_precision")
    assert metric.of(LABELS, rounded) == pytest.approx(average_precision_score(LABELS, rounded))


def test_losses_are_torch_s_with_logits_summed_over_the_labels():
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    expected = loss(torch.tensor(LOGITS), torch.tensor(LABELS).float(), reduction="none").sum(dim=1).numpy()
    assert_close(
        TASK.label_loss(LOGITS, LABELS), expected, terms=100, why="a row's labels and their exponentials", scale=10
    )
    assert_close(
        TASK.losses(LOGITS, LABELS), expected, terms=100, why="a row's labels and their exponentials", scale=10
    )


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_of_independent_labels_is_its_formula(temperature):
    found = TASK.soft_loss(LOGITS, TEACHER, "kl", temperature, standardised=False)
    p, q = (expit(logits.astype(np.float64) / temperature) for logits in (TEACHER, LOGITS))
    expected = temperature**2 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum(axis=1)
    assert_close(found, expected, terms=100, why="a row's labels and their exponentials", scale=10)
    assert_close(
        TASK.soft_loss(TEACHER, TEACHER, "kl", temperature, standardised=False),
        0,
        terms=100,
        why="a row's labels and their exponentials",
        scale=10,
    )


def test_an_unlabelled_row_has_no_loss_and_no_gradient_and_one_without_labels_has():
    labels = jnp.array([[-1, -1], [0, 0]], jnp.int8)
    gradient = jax.grad(lambda logits: TASK.label_loss(logits, labels).sum())(jnp.zeros((2, 2)))
    np.testing.assert_allclose(gradient, [[0, 0], [0.5, 0.5]])
    assert TASK.is_labelled(np.asarray(labels)).tolist() == [False, True]


def test_answers_and_scores_follow_labels_that_change_places():
    order = np.array([2, 0, 3, 1])
    tuned, permuted = TASK.tuned(LABELS, LOGITS), TASK.tuned(LABELS[:, order], LOGITS[:, order])
    np.testing.assert_array_equal(tuned.answers(LOGITS)[:, order], permuted.answers(LOGITS[:, order]))
    np.testing.assert_allclose(
        [metric.of(LABELS, LOGITS) for metric in tuned.metrics],
        [metric.of(LABELS[:, order], LOGITS[:, order]) for metric in permuted.metrics],
    )


def test_numpy_and_jax_answer_alike():
    for task in (TASK, TASK.tuned(LABELS, LOGITS)):
        np.testing.assert_array_equal(task.answers(LOGITS), task.answers(jnp.asarray(LOGITS)))


def test_no_threshold_gives_a_label_a_better_f1_than_the_tuned_one():
    answers = TASK.tuned(LABELS, LOGITS).answers(LOGITS)
    for label in range(4):
        tried = [f1_score(LABELS[:, label], LOGITS[:, label] >= edge) for edge in LOGITS[:, label]]
        assert f1_score(LABELS[:, label], answers[:, label]) == pytest.approx(max(tried))


def test_a_label_that_no_validation_row_has_keeps_one_half():
    labels = LABELS.copy()
    labels[:, 1] = 0
    assert TASK.tuned(labels, LOGITS).thresholds[1] == 0.5


def test_a_few_labels_tune_no_threshold_where_the_teacher_has_answered_every_row():
    rows = np.arange(300) % len(LABELS)
    labels, logits, teacher = LABELS[rows], LOGITS[rows], LOGITS[rows][:, ::-1]
    of_teacher = TASK.tuned(np.asarray(TASK.answers(teacher), np.int8), logits)
    for labelled, expected in ((0, of_teacher), (99, of_teacher), (100, None)):
        few = np.where(np.arange(300)[:, None] < labelled, labels, -1).astype(np.int8)
        assert TASK.tuned(few, logits, teacher) == (expected or TASK.tuned(labels[:100], logits[:100]))
        if labelled:
            assert TASK.tuned(few, logits) == TASK.tuned(labels[:labelled], logits[:labelled])  # there is no teacher
    assert TASK.tuned(labels[:50], logits[:50], teacher[:50]) == TASK.tuned(labels[:50], logits[:50])  # all have labels


def test_thresholds_are_kept_as_they_are_and_wrong_ones_refused():
    tuned = TASK.tuned(LABELS, LOGITS)
    assert TASK.decided(json.loads(json.dumps(tuned.decision())), 4) == tuned
    assert tuned.undecided() == TASK
    for wrong in ({"thresholds": [0.5] * 3}, {"thresholds": [2, 0, 0, 0]}, {"other": 1}):
        with pytest.raises(InputError, match="thresholds: expected 4 numbers from 0 to 1"):
            TASK.decided(wrong, 4)
    with pytest.raises(InputError, match="expected a temperature"):
        task_named("single-label").decided({"thresholds": [0.5]}, 2)


def test_labels_that_are_neither_yes_nor_no_are_refused_with_their_row():
    wrong = LABELS.copy()
    wrong[7, 2] = -1
    assert TASK.check_labels(LABELS, 4) is None
    assert TASK.check_labels(wrong, 4)[0] == 7
    assert TASK.check_labels(TASK.unlabelled(3, 4), 4) is None


def test_a_line_of_json_has_the_labels_answered_and_every_probability():
    lines = TASK.json_lines(NAMES, ensure_ascii=True).format(np.array([[2.0, -2.0, 0.0, -9.0]], np.float32))
    found = json.loads(lines)
    assert found["labels"] == ["a", "c"]
    assert found["probabilities"]["a"] == pytest.approx(expit(2), abs=1e-6)


def test_what_is_said_of_rare_labels_is_what_a_row_of_several_can_have():
    """Neither stratified splits nor class weights go with several labels a row."""
    from distill_jax.reporting.labels import label_notes
    from distill_jax.tasks.task import LabelResult

    results = [LabelResult(0, true, 0, 0.5, 0.5) for true in (0, 2, 9)]
    best = SimpleNamespace(model="CNN", labels=results)
    notes = label_notes(SimpleNamespace(best=best, label_names=("a", "b", "c")))
    assert notes[0].endswith("nothing is known of the scores there: give more rows.")
    assert notes[2] == "CNN never names c: train longer, or give more rows."
    assert not any("--stratify" in note or "--class-weights" in note for note in notes)


def test_thresholds_are_tuned_to_the_teacher_s_answers_where_no_row_has_a_label():
    nothing = np.full_like(LABELS, -1)
    assert TASK.tuned(nothing, LOGITS, TEACHER) == TASK.tuned((TEACHER >= 0).astype(np.int8), LOGITS)
    assert TASK.tuned(LABELS, LOGITS, TEACHER) == TASK.tuned(LABELS, LOGITS)
