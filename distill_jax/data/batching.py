"""How rows are cut and batched by length without changing a result."""

import numpy as np


def length_buckets(needed: np.ndarray, longest: int, limit: int = 4, multiple: int = 8) -> np.ndarray:
    """Return at most ``limit`` lengths that batches are cut to, int64, ascending, the last one enough for all.

    A program is compiled for each length, so there are few of them; among multiples of ``multiple`` they are chosen to
    make the sum over batches of the length each is cut to as small as it can be (dynamic programming).

    Args:
        needed: int [batches], the tokens that each batch needs.
        longest: the uncut length, in tokens; no bucket is longer.
        limit: how many lengths at most.
        multiple: what lengths are multiples of (but for ``longest``).
    """
    rounded = np.minimum(-(-np.maximum(needed, 1) // multiple) * multiple, longest)
    lengths, counts = np.unique(rounded, return_counts=True)
    count = len(lengths)
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())] + [
        (int(lengths[i] * counts[: i + 1].sum()), (i,)) for i in range(count)
    ]
    for _ in range(min(limit, count) - 1):
        best = [(0, ())] + [
            min(
                [best[i + 1]]
                + [(best[j][0] + int(lengths[i] * counts[j : i + 1].sum()), (*best[j][1], i)) for j in range(1, i + 1)]
            )
            for i in range(count)
        ]
    return lengths[list(best[count][1])]


def shuffled_by_length(lengths: np.ndarray, batch_size: int, rng: np.random.Generator, window: int = 64) -> np.ndarray:
    """Return the rows in a random order in which each batch has texts of like length, int64 [n].

    Rows are shuffled, sorted by length within windows of ``window`` batches, and the full batches are shuffled; the
    last batch is the one that may be short.
    """
    order = rng.permutation(len(lengths))
    size = window * batch_size
    blocks = [order[i : i + size] for i in range(0, len(order), size)]
    order = np.concatenate([block[np.argsort(lengths[block], kind="stable")] for block in blocks])
    full = len(order) // batch_size * batch_size
    batches = rng.permutation(order[:full].reshape(-1, batch_size), axis=0)
    return np.concatenate([batches.reshape(-1), order[full:]])


def padded_rows(array: np.ndarray, multiple: int, fill: float = 0) -> np.ndarray:
    """Return ``array`` with rows of ``fill`` after its last, up to a multiple of ``multiple`` rows."""
    missing = -len(array) % multiple
    if not missing:
        return array
    return np.concatenate([array, np.full((missing, *array.shape[1:]), fill, array.dtype)])
