"""Principal directions (Jolliffe 2002, chapter 2); NumPy alone, for both halves."""

import numpy as np


def principal_directions(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariance's variances and directions, of the largest variance first: float64 [dim], [dim, dim].

    Each direction, one a column, has a fixed sign, so that the same covariance gives the same numbers everywhere.

    Args:
        squares: float64 [dim, dim], a covariance, or a multiple of one.
    """
    variances, directions = np.linalg.eigh(squares)  # ascending
    directions = directions[:, ::-1]
    largest = np.abs(directions).argmax(axis=0)
    return np.maximum(variances[::-1], 0), directions * np.sign(directions[largest, np.arange(len(largest))])
