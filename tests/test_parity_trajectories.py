"""Whole trainings from the same weights, without dropout: ours against the reference in torch."""

from functools import cache

import numpy as np
import pytest
from parity_setup import (
    F1_COLUMNS,
    LOSS_COLUMNS,
    PRECISIONS,
    SCORE_COLUMNS,
    STUDENTS,
    largest_difference,
    train_both,
)

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
TRAIN_ROWS, TEST_ROWS = 333, 77

trained = cache(train_both)


@pytest.mark.parametrize("distil", [False, True], ids=["direct", "distilled"])
@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("name", STUDENTS)
class TestTrajectory:
    def test_losses(self, name, precision_name, distil):
        run = trained(name, precision_name, distil=distil)
        ours, theirs = run.result.history[LOSS_COLUMNS].to_numpy(), run.reference_history[LOSS_COLUMNS].to_numpy()
        assert np.abs(ours - theirs).max() < TOLERANCE[precision_name]

    def test_scores_are_within_a_row(self, name, precision_name, distil):
        run = trained(name, precision_name, distil=distil)
        ours, theirs = run.result.history[SCORE_COLUMNS].to_numpy(), run.reference_history[SCORE_COLUMNS].to_numpy()
        rows = 1.001 if precision_name == "float32" else 0.001
        assert (np.abs(ours - theirs) * [TRAIN_ROWS, TEST_ROWS] <= rows).all()
        if np.array_equal(ours, theirs):
            ours, theirs = run.result.history[F1_COLUMNS].to_numpy(), run.reference_history[F1_COLUMNS].to_numpy()
            np.testing.assert_allclose(ours, theirs, atol=0.02 if precision_name == "float32" else 1e-12)

    def test_final_weights(self, name, precision_name, distil):
        run = trained(name, precision_name, distil=distil)
        assert {array.dtype.name for array in run.state.values()} == {precision_name}
        assert largest_difference(run.state, run.reference_state) < TOLERANCE[precision_name]

    def test_it_trained(self, name, precision_name, distil):
        """A comparison of two students that stand still would prove nothing."""
        run = trained(name, precision_name, distil=distil)
        losses = run.reference_history["train_loss"].to_numpy()
        assert losses[-1] < 0.9 * losses[0]
        assert run.reference_history["test_loss"].nunique() == 3
