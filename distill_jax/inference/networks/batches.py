"""How NumPy goes over texts of unequal length: the longest first, so that those still read are the first of a batch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.blas import one_blas_thread
from distill_jax.processors import usable_processors

TEXTS_AT_ONCE = 256
_WORTH_THREADS = 2 * TEXTS_AT_ONCE


def by_batches(tokens: Ragged, width: int, logits_of: Callable[[Ragged], np.ndarray]) -> np.ndarray:
    """Return the logits, [rows, width], of rows taken by batches of like length, the longest first in each.

    Args:
        tokens: the rows.
        width: how many numbers a row's logits are.
        logits_of: from such a batch to its logits.
    """
    found = np.empty((len(tokens), width), np.float32)

    def work(index: np.ndarray) -> None:
        found[index] = logits_of(tokens.take(index))

    batches = list(_batches(tokens.lengths))
    if len(tokens) < _WORTH_THREADS or usable_processors() == 1:
        for index in batches:
            work(index)
        return found
    with one_blas_thread(), ThreadPoolExecutor(usable_processors()) as pool:
        for done in [pool.submit(work, index) for index in batches]:
            done.result()
    return found


def _batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), TEXTS_AT_ONCE):
        yield order[start : start + TEXTS_AT_ONCE]


def still_reading(lengths: np.ndarray) -> list[int]:
    """Return, for each position, how many texts have a token there; ``lengths`` descend."""
    longest = int(lengths[0]) if len(lengths) else 0
    return np.searchsorted(-lengths, -np.arange(longest), side="left").tolist()


def distinct(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the different numbers below ``count`` that occur, ascending, and each one's place among them."""
    if len(rows) * 8 < count:  # a few rows of a large table
        return np.unique(rows, return_inverse=True)
    occurs = np.zeros(count, bool)
    occurs[rows] = True
    found = np.flatnonzero(occurs)
    places = np.empty(count, np.int32)
    places[found] = np.arange(len(found), dtype=np.int32)
    return found, places[rows]
