"""Where a training stands: what a checkpoint holds, and what going on needs."""

import dataclasses

import numpy as np

from distill_jax.students import Params


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Where a training stands, between two steps; everything that going on needs, as NumPy arrays.

    Attributes:
        params: the parameters over the whole vocabulary.
        opt_state: the leaves of the optimiser's state, over the tokens that occur.
        epoch: the epoch under way, counted from 0.
        step: steps done in it.
        losses: their losses, [step].
        predictions: their rows' predicted classes, [rows].
        history: the finished epochs' numbers, [epochs, 7], or [epochs, 10] with a validation split.
        seconds: wall-clock time spent training, evaluation excluded.
        best: with a validation split, the parameters of the epoch that scored best on it.
    """

    params: Params
    opt_state: list[np.ndarray]
    epoch: int
    step: int
    losses: np.ndarray
    predictions: np.ndarray
    history: np.ndarray
    seconds: float
    best: Params | None = None
