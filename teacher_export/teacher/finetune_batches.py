"""The batches of a fine-tuning: rows of like length together, in an order drawn anew for each epoch."""

from collections.abc import Iterator

import numpy as np

# Batches whose rows are sorted by length together: enough to pad little, few enough to stay random.
_SORTED_BATCHES = 50


def length_batches(lengths: np.ndarray, batch_size: int, seed: list[int]) -> Iterator[np.ndarray]:
    """Yield the rows of each batch: all rows once, of like length within a batch, in an order drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    batches: list[np.ndarray] = []
    window = _SORTED_BATCHES * batch_size
    for start in range(0, len(order), window):
        rows = order[start : start + window]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches.extend(rows[first : first + batch_size] for first in range(0, len(rows), batch_size))
    for index in rng.permutation(len(batches)):
        yield batches[index]
