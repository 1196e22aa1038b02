"""The warning of a training that stopped before it learnt anything."""

import numpy as np
import pandas as pd
import pytest

from distill_jax.training.fit_warnings import is_at_chance

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
