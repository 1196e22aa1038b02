"""Whole trainings from the same weights, without dropout: ours against the reference in torch."""

import numpy as np
import pytest

from parity_setup import (
    ADAM_STEPS,
    F1_COLUMNS,
    LEARNING_RATE,
    LOSS_COLUMNS,
    PRECISIONS,
    SCORE_COLUMNS,
    STUDENTS,
    largest_difference,
    train_both,
)
from tolerances import OF_LOGITS, assert_close, assert_trees_close

EPOCHS, TRAIN_ROWS, TEST_ROWS = 3, 333, 77
NEAR_TIE = (
    "the weights differ by {:.1e}; if they agree at float64, one of the two took the other of two windows that are "
    "equal to float32's rounding (docs/parity.md): take other rows, not another tolerance"
)


# One test for all that a training gives: a training is made once, whichever process the tests run in.
@pytest.mark.parametrize("distil", [False, True], ids=["direct", "distilled"])
@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", STUDENTS)
def test_trajectory(name, precision_name, distil):
    sizes = {"epochs": EPOCHS, "train_rows": TRAIN_ROWS, "test_rows": TEST_ROWS}
    run = train_both(name, precision_name, distil=distil, **sizes)
    require_that_it_trained(run.reference_history)
    ours, theirs = run.result.history, run.reference_history
    assert ours["epoch"].tolist() == theirs["epoch"].tolist() == list(range(EPOCHS))
    assert_close(ours[LOSS_COLUMNS].to_numpy(), theirs[LOSS_COLUMNS].to_numpy(), **OF_LOGITS, dtype=precision_name)
    require_like_scores(ours, theirs, precision_name)
    assert {array.dtype.name for array in run.state.values()} == {precision_name}
    if name == "fasttext":
        of_steps = {"terms": EPOCHS * TRAIN_ROWS, "why": "the steps, one after another"}
        assert_trees_close(run.state, run.reference_state, **of_steps, dtype=precision_name)
    else:
        difference = largest_difference(run.state, run.reference_state)
        assert difference < ADAM_STEPS[precision_name] * LEARNING_RATE, NEAR_TIE.format(difference)


def require_that_it_trained(history):
    """A comparison of two students that stand still would prove nothing."""
    losses = history["train_loss"].to_numpy()
    assert losses[-1] < 0.9 * losses[0]
    assert history["test_loss"].nunique() == EPOCHS


def require_like_scores(ours, theirs, precision_name):
    """Accuracies within one row, at float64 within none; macro F1 alike where the accuracies are equal."""
    rows = np.abs(ours[SCORE_COLUMNS].to_numpy() - theirs[SCORE_COLUMNS].to_numpy()) * [TRAIN_ROWS, TEST_ROWS]
    assert rows.max() <= (1.001 if precision_name == "float32" else 0.001)
    if rows.max() < 0.001:
        tolerance = 0.02 if precision_name == "float32" else 1e-12
        np.testing.assert_allclose(ours[F1_COLUMNS].to_numpy(), theirs[F1_COLUMNS].to_numpy(), rtol=0, atol=tolerance)
