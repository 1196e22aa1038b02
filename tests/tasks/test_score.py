"""The task ``score``: its losses are torch's, its metrics SciPy's and scikit-learn's, in NumPy and in JAX alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score, mean_absolute_error, precision_score, recall_score, root_mean_squared_error

from distill_jax.errors import InputError
from distill_jax.students.registry import student_config, student_from_json, student_to_json
from distill_jax.tasks.registry import task_named
from tolerances import assert_close

RNG = np.random.default_rng(0)
LABELS = np.round(RNG.normal(3, 2, 60), 1).astype(np.float32)
LOGITS, TEACHER = RNG.normal(3, 2, size=(2, 60, 1)).astype(np.float32)
TASK = task_named("score", (3.0, 2.0))


def test_metrics_are_those_of_scipy_and_scikit_learn():
    found = {metric.name: metric.of(LABELS, LOGITS) for metric in TASK.above(3).metrics}
    answers, true, above = LOGITS[:, 0], LABELS >= 3, LOGITS[:, 0] >= 3
    expected = {
        "spearman": spearmanr(LABELS, answers).statistic,
        "pearson": pearsonr(LABELS, answers).statistic,
        "mae": mean_absolute_error(LABELS, answers),
        "rmse": root_mean_squared_error(LABELS, answers),
        "accuracy_at_3": (true == above).mean(),
        "precision_at_3": precision_score(true, above),
        "recall_at_3": recall_score(true, above),
        "f1_at_3": f1_score(true, above),
    }
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_correlation_with_what_never_changes_is_undefined_and_an_error_is_not():
    found = {metric.name: metric.of(LABELS, np.full_like(LOGITS, 2)) for metric in TASK.metrics}
    assert np.isnan([found["spearman"], found["pearson"]]).all()
    assert found["mae"] == pytest.approx(np.abs(LABELS - 2).mean(), rel=1e-6)


def test_losses_are_torch_s_squared_error_in_units_of_the_variance():
    labels, logits = torch.tensor(LABELS), torch.tensor(LOGITS[:, 0])
    expected = torch.nn.functional.mse_loss(logits, labels, reduction="none").numpy() / 4
    assert_close(TASK.label_loss(LOGITS, LABELS), expected, terms=20, why="a squared difference")
    assert_close(TASK.losses(LOGITS, LABELS), expected, terms=20, why="a squared difference")
    soft = TASK.soft_loss(LOGITS, TEACHER, "mse", 1.0, standardised=False)
    assert_close(soft, ((LOGITS - TEACHER)[:, 0] / 2) ** 2, terms=20, why="a squared difference")


def test_large_errors_count_linearly_as_in_torch_s_huber_loss():
    robust = TASK.robust(0.7)
    errors = [torch.tensor((LOGITS[:, 0] - other) / 2) for other in (LABELS, TEACHER[:, 0])]
    loss = torch.nn.functional.huber_loss
    expected = [2 * loss(error, torch.zeros(60), reduction="none", delta=0.7).numpy() for error in errors]
    assert_close(robust.label_loss(LOGITS, LABELS), expected[0], terms=20, why="a squared difference")
    soft = robust.soft_loss(LOGITS, TEACHER, "mse", 1.0, standardised=False)
    assert_close(soft, expected[1], terms=20, why="a squared difference")
    assert (
        np.asarray(TASK.robust(1e3).label_loss(LOGITS, LABELS)) == np.asarray(TASK.label_loss(LOGITS, LABELS))
    ).all()
    with pytest.raises(InputError, match="--huber 1 goes with the task score, got single-label"):
        task_named("single-label").robust(1.0)


def test_an_unlabelled_row_has_no_loss_and_no_gradient():
    labels = jnp.array([1.0, np.nan, 2.0])
    loss = lambda logits: TASK.label_loss(logits, labels).sum()  # noqa: E731
    gradient = jax.grad(loss)(jnp.array([[2.0], [5.0], [2.0]]))
    np.testing.assert_allclose(gradient[:, 0], [0.5, 0, 0])


def test_a_network_s_number_of_mean_0_and_deviation_1_is_put_into_the_data_s_unit():
    assert TASK.answers(TASK.outputs(np.array([[-1.0], [0.0], [1.5]]))).tolist() == [1.0, 3.0, 6.0]
    assert TASK.standardisation(np.array([1.0, np.nan, 5.0], np.float32), None) == (3.0, 2.0)
    nothing = np.full(2, np.nan, np.float32)
    assert TASK.standardisation(nothing, np.array([[2.0], [4.0]], np.float32)) == (3.0, 1.0)
    assert TASK.standardisation(np.array([2.0, 2.0]), None) == (2.0, 1.0)


def test_a_student_keeps_the_unit_in_its_description():
    config = student_config("cnn", vocab_size=9, num_labels=1, task="score", standardisation=(3.0, 2.0))
    assert student_from_json(student_to_json(config)) == config
    assert config.labelling == TASK
    assert "standardisation" not in student_to_json(student_config("cnn", vocab_size=9, num_labels=2))


@pytest.mark.parametrize("wrong", [(1.0, 0.0), (1.0,), (float("nan"), 1.0), ("a", 1.0)])
def test_a_unit_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="standardisation: expected a mean and a deviation above 0"):
        task_named("score", wrong)


def test_a_class_has_no_unit_and_no_threshold_and_a_score_no_probability():
    single = task_named("single-label")
    with pytest.raises(InputError, match="standardisation: expected none"):
        task_named("single-label", (3.0, 2.0))
    with pytest.raises(InputError, match="--threshold 3 goes with the task score"):
        single.above(3)
    with pytest.raises(InputError, match="numbers and no probabilities"):
        TASK.probabilities(LOGITS)


def test_what_compares_classes_is_refused():
    for kind, standardised in (("kl", False), ("mse", True)):
        with pytest.raises(InputError, match="a score has none"):
            TASK.check_soft_loss(kind, standardised=standardised)


def test_reliability_bins_hold_every_row_once_in_the_order_of_what_is_predicted():
    bins = TASK.reliability(LABELS, LOGITS)
    said, true, rows = zip(*bins, strict=True)
    assert sum(rows) == len(LABELS)
    assert list(said) == sorted(said)
    assert np.average(true, weights=rows) == pytest.approx(LABELS.mean(), rel=1e-5)
