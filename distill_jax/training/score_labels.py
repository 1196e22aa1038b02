"""Scores as a user gives them: where they enter, what is no number is refused, by its position."""

from numbers import Real
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.tasks.float32_scores import as_scores


def score_labels(y: Any, rows: int, name: str = "y") -> np.ndarray:
    """Return a score for each text, float32 [rows].

    Args:
        y: a list, an array, a Series, …, or a single column.
        rows: how many are expected.
        name: what errors call them.

    Raises:
        InputError: there are more or fewer, one is missing or no finite number, or float32 does not tell them apart.
    """
    given = np.asarray(y) if hasattr(y, "__array__") else np.asarray(y, object)
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.ndim != 1:
        got = f"an array of shape {list(given.shape)}" if given.ndim else f"a value of type {type(y).__name__}"
        raise InputError(f"{name}: expected a list of numbers, one for each text, got {got}")
    if len(given) != rows:
        raise InputError(f"{name}: expected a number for each of {rows} texts, got {len(given)}")
    numbers = np.array([_number(value) for value in given.tolist()], np.float64)
    for row in np.flatnonzero(~(np.abs(numbers) <= np.finfo(np.float32).max))[:1]:
        raise InputError(f"{name}[{row}]: expected a finite number, got {given[row]!r}; leave out the texts without")
    return as_scores(numbers, name)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else float("nan")
