"""Bags of tokens: a text as its different tokens with their counts, which is all that the linear student sees."""

import dataclasses

import numpy as np

_ROWS_AT_ONCE = 65_536


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
    width = max(1, max((_bag_width(block, pad_id) for block in _blocks(input_ids)), default=1))
    tokens = np.full((rows, width), pad_id, np.int32)
    counts = np.zeros((rows, width), np.uint8 if length < 256 else np.int32)
    for start in range(0, rows, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, rows)
        _fill(tokens[start:stop], counts[start:stop], np.sort(input_ids[start:stop], axis=1), pad_id)
    return Bags(tokens, counts)


def _blocks(input_ids: np.ndarray) -> list[np.ndarray]:
    return [input_ids[start : start + _ROWS_AT_ONCE] for start in range(0, len(input_ids), _ROWS_AT_ONCE)]


def _first_of_its_kind(ordered: np.ndarray, pad_id: int) -> np.ndarray:
    first = np.ones(ordered.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return first & (ordered != pad_id)


def _bag_width(block: np.ndarray, pad_id: int) -> int:
    return int(_first_of_its_kind(np.sort(block, axis=1), pad_id).sum(axis=1).max(initial=0))


def _fill(tokens: np.ndarray, counts: np.ndarray, ordered: np.ndarray, pad_id: int) -> None:
    """Write the bags of sorted rows into ``tokens`` and ``counts``."""
    first = _first_of_its_kind(ordered, pad_id)
    slot = np.cumsum(first, axis=1) - 1  # which of the row's different tokens stands at each position
    row, column = np.nonzero(first)
    tokens[row, slot[row, column]] = ordered[row, column]
    row, column = np.nonzero(ordered != pad_id)
    flat = row * counts.shape[1] + slot[row, column]
    counts[...] = np.bincount(flat, minlength=counts.size).reshape(counts.shape)
