"""The warnings of a training that stopped before it learnt anything, or in the midst of it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from distill_jax.data.examples import Examples
from distill_jax.data.ragged import Ragged
from distill_jax.losses import Objective
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from distill_jax.training.fit_warnings import constant_loss, is_at_chance, still_learns
from tolerances import AGREEMENT

LABELS = np.array([0] * 500 + [1] * 300 + [2] * 200 + [-1] * 1000)


def _history(losses, accuracy):
    return pd.DataFrame({"train_loss": losses, "train_acc": [accuracy] * len(losses)})


@pytest.mark.parametrize("accuracy", [0.3, 0.5, 0.53])
def test_accuracy_at_chance_while_the_loss_falls_asks_for_more_epochs(accuracy):
    assert is_at_chance(_history([1.2, 1.1, 1.0], accuracy), LABELS)


@pytest.mark.parametrize(
    ("losses", "accuracy", "labels"),
    [
        ([1.2, 1.1], 0.56, LABELS),  # above chance by four standard deviations
        ([1.2, 1.2], 0.5, LABELS),  # nothing falls
        ([1.1, 1.2], 0.5, LABELS),
        ([1.1], 0.5, LABELS),  # one epoch does not fall
        ([1.2, 1.1], float("nan"), np.full(9, -1)),
        ([1.2, 1.1], 1.0, np.zeros(9, int)),  # one class: nothing is above its share
    ],
)
def test_any_other_training_is_left_alone(losses, accuracy, labels):
    assert not is_at_chance(_history(losses, accuracy), labels)


def test_the_bound_is_the_binomial_test_s():
    labels = np.array([0, 1] * 5)  # ten tosses of a coin: all right in 1 of 1024, nine or more in 11 of 1024
    assert is_at_chance(_history([2.0, 1.0], 0.9), labels)
    assert not is_at_chance(_history([2.0, 1.0], 1.0), labels)


def test_the_loss_of_the_best_constant_is_known_where_it_has_a_formula():
    shares = np.array([0.5, 0.3, 0.2])
    entropy = -(shares * np.log(shares)).sum()
    assert constant_loss(Objective(1.0), LABELS[:1000], None, 3) == pytest.approx(entropy, rel=AGREEMENT)
    scores = np.random.default_rng(0).normal(3, 2, (500, 1)).astype(np.float32)
    unit = (float(scores.mean()), float(scores.std()))
    of_scores = Objective(0.0, "mse", task=task_named("score", unit))
    assert constant_loss(of_scores, scores[:, 0], scores, 1) == pytest.approx(1, rel=AGREEMENT)


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        ([0.98, 0.98, 0.95, 0.9, 0.816, 0.77, 0.747, 0.738], True),
        ([0.999, 0.996, 0.99, 0.984, 0.98, 0.976, 0.974, 0.973], True),
        ([0.951, 0.77, 0.6, 0.47, 0.4, 0.37, 0.36, 0.351], False),  # more than half of it has gone
        ([0.9, 0.8, 0.7, 0.65, 0.64, 0.64, 0.64, 0.64], False),  # it has come to rest, half way
        ([0.6, 0.58, 0.57, 0.56, 0.55, 0.545, 0.54, 0.54], False),  # the first epoch had done most of it
        ([0.98, 0.97, 0.96], False),  # three epochs say nothing
    ],
)
def test_a_loss_that_falls_steeply_to_the_end_asks_for_more_epochs(losses, says):
    labels = np.array([0] * 619 + [1] * 381)
    rows = Examples(Ragged.of([[1]] * 1000), labels, length=4)
    known = constant_loss(Objective(1.0), labels, None, 2)
    history = pd.DataFrame({"train_loss": np.array(losses) * known})
    assert still_learns(history, Objective(1.0), rows, np.arange(1000), 2) is says


def test_what_needs_no_test_is_as_the_binomial_test_says():
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7, 40, 400):
        for _ in range(60):
            labels, right = rng.integers(0, rng.integers(2, 6), rows), int(rng.integers(0, rows + 1))
            share = np.bincount(labels).max() / rows
            expected = share < 1 and binomtest(right, rows, share, alternative="greater").pvalue >= 1e-3
            assert SINGLE_LABEL.is_at_chance(right / rows, labels) == expected
