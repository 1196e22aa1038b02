"""How long a recipe's training is: a few hundred rows are read more often than ten thousand.

A recipe's epochs were chosen on 10,000 rows with a transfer set. What a student learns is a matter of its steps, and
few rows make few steps an epoch: with the same epochs, 300 rows would leave the linear student where it began
(docs/results.md).
"""

import dataclasses
from collections.abc import Collection

from distill_jax.config import TrainConfig
from distill_jax.students.registry import student_kind

MOST_EPOCHS = 100
"""How often a row is read at most: beyond that, hardly anything changes."""


def fitted_to_rows(config: TrainConfig, rows: int, transfer_rows: int = 0, given: Collection[str] = ()) -> TrainConfig:
    """Return a recipe's training with as many epochs and passes as its least steps take.

    The epochs follow from the training split alone: a student of the labels and one of the teacher have as many.

    Args:
        config: the recipe's training; one of no recipe stays as it is.
        rows: the training split's.
        transfer_rows: the transfer set's, before ``transfer_share``; 0 = there is none.
        given: the fields that the user chose: they stay.
    """
    steps = student_kind(config.student).recipe(config.recipe).least_steps if config.recipe else 0
    epochs, passes = config.epochs, config.transfer_passes
    if "epochs" not in given:
        epochs = max(epochs, _passes(steps, rows, config.batch_size))
    if passes and transfer_rows and "transfer_passes" not in given:
        drawn = max(1, round(config.transfer_share * transfer_rows))
        passes = min(max(passes, _passes(steps, drawn, config.batch_size)), epochs)
    return dataclasses.replace(config, epochs=epochs, transfer_passes=passes)


def _passes(steps: int, rows: int, batch_size: int) -> int:
    """Return how many times rows are read in so many steps, at most ``MOST_EPOCHS``."""
    return min(MOST_EPOCHS, -(-steps // max(1, -(-rows // batch_size))))
