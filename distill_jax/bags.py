"""Bags of tokens: a text as its different tokens with their counts, which is all that the linear student sees."""

import dataclasses

import numpy as np

_ROWS_AT_ONCE = 2_048  # few enough for the processor's cache


@dataclasses.dataclass(frozen=True)
class Bags:
    """Texts as bags, padded to one width.

    Attributes:
        tokens: int32 [n, width], each row's different tokens, filled up with ``pad_id``.
        counts: uint8 or int32 [n, width], how often each occurs; 0 where filled up.
    """

    tokens: np.ndarray
    counts: np.ndarray


def make_bags(input_ids: np.ndarray, pad_id: int) -> Bags:
    """Return the bags of padded rows [n, length]; padding is left out (its embedding is zero and frozen)."""
    rows, length = input_ids.shape
    tokens = np.full((rows, length), pad_id, np.int32)
    counts = np.zeros((rows, length), np.uint8 if length < 256 else np.int32)
    width = 1
    for start in range(0, rows, _ROWS_AT_ONCE):
        block = slice(start, start + _ROWS_AT_ONCE)
        width = max(width, _fill(tokens[block], counts[block], np.sort(input_ids[block], axis=1), pad_id))
    return Bags(tokens[:, :width], counts[:, :width])


def _fill(tokens: np.ndarray, counts: np.ndarray, ordered: np.ndarray, pad_id: int) -> int:
    """Write the bags of sorted rows into whole rows ``tokens`` and ``counts``; return the largest bag's size."""
    rows, length = ordered.shape
    first = np.ones(ordered.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    starts = np.flatnonzero(first)  # of runs of equal tokens; no run goes on in the next row
    sizes = np.diff(starts, append=ordered.size)
    values = ordered.reshape(-1)[starts]
    real = values != pad_id
    starts, sizes, values = starts[real], sizes[real], values[real]
    per_row = np.bincount(starts // length, minlength=rows)
    # A row's bags stand at its beginning: the run's number in its row, after the rows before.
    places = np.arange(len(starts)) + np.repeat(np.arange(rows) * length - (np.cumsum(per_row) - per_row), per_row)
    tokens.reshape(-1)[places] = values
    counts.reshape(-1)[places] = sizes
    return int(per_row.max(initial=0))
