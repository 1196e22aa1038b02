"""Scores in the precision that they are kept and learnt in."""

import numpy as np

from distill_jax.errors import InputError

_MOST_LOST = 1e-3  # of the scores' standard deviation


def as_scores(numbers: np.ndarray, where: str) -> np.ndarray:
    """Return numbers as float32.

    Raises:
        InputError: they are so large beside what they differ by that float32 does not tell them apart.
    """
    scores = numbers.astype(np.float32)
    known = ~np.isnan(numbers)
    lost = np.abs(scores[known] - numbers[known])
    if lost.size and lost.max() > _MOST_LOST * (spread := float(numbers[known].std())) > 0:
        worst = lost.argmax()
        raise InputError(
            f"{where}: expected scores that float32 tells apart, got {numbers[known][worst]:.12g}, which it makes "
            f"{scores[known][worst]:.12g}, of a standard deviation of {spread:.3g}; take their mean from all of them"
        )
    return scores
