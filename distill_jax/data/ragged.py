"""Texts as one run of tokens without padding, which is all that the linear student sees."""

import dataclasses

import numpy as np

from distill_jax.data.compaction import Compaction
from distill_jax.errors import InputError

_ROWS_AT_ONCE = 4_096  # few enough for the processor's cache
_ALIGNMENT = 64  # bytes; XLA on the CPU takes an array that begins at a multiple as it is, without a copy
_MOST_TOKENS = 2**31 - 1  # places are int32


@dataclasses.dataclass(frozen=True)
class Texts:
    """The real tokens of many texts, one text after the other.

    Attributes:
        tokens: int32 [room], compact ids; beyond the last text there is room that nothing looks at.
        starts: int32 [n], where each text begins.
        stops: int32 [n], where it ends.
    """

    tokens: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """The real tokens of each text, int32 [n]."""
        return self.stops - self.starts


def flatten(input_ids: np.ndarray, compaction: Compaction) -> Texts:
    """Return padded rows [n, length], or [n, length, ngrams], without their padding, in compact ids.

    Padding is left out wherever it stands: its embedding is zero and frozen.

    Raises:
        InputError: more tokens than can be counted.
    """
    pad_id = int(compaction.tokens[compaction.pad_id])
    input_ids = input_ids.reshape(len(input_ids), -1)
    blocks = [input_ids[start : start + _ROWS_AT_ONCE] for start in range(0, len(input_ids), _ROWS_AT_ONCE)]
    lengths = np.concatenate([(block != pad_id).sum(axis=1, dtype=np.int64) for block in blocks])
    stops = np.cumsum(lengths)
    if stops[-1] > _MOST_TOKENS:
        raise InputError(f"train: expected at most {_MOST_TOKENS:,} tokens, got {stops[-1]:,}")
    tokens = _aligned(_room(int(stops[-1])))
    start = 0
    for block in blocks:
        real = block[block != pad_id]
        # "clip" only because it does not buffer ``out``: all ids are in range.
        np.take(compaction.compact_of, real, out=tokens[start : start + len(real)], mode="clip")
        start += len(real)
    return Texts(tokens, (stops - lengths).astype(np.int32), stops.astype(np.int32))


def _room(tokens: int) -> int:
    """Return room for so many tokens: a size that other splits share, so that they share the compiled program.

    The room that is not used is never touched and takes no memory.
    """
    return 1 << max(10, (tokens - 1).bit_length())


def _aligned(size: int) -> np.ndarray:
    """Return an int32 array [size], not initialised, that begins at a multiple of ``_ALIGNMENT`` bytes."""
    buffer = np.empty(size * 4 + _ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + size * 4].view(np.int32)


@dataclasses.dataclass(frozen=True)
class TokenRows:
    """Token ids of texts, one text after the other, special tokens included, no padding.

    Attributes:
        ids: int32 [tokens].
        lengths: int64 [texts], how many of them are each text's.
    """

    ids: np.ndarray
    lengths: np.ndarray

    def take(self, order: np.ndarray) -> "TokenRows":
        """Return the texts ``order`` [m], in that order."""
        starts = np.cumsum(self.lengths) - self.lengths
        return TokenRows(self.ids[_spans(starts[order], self.lengths[order])], self.lengths[order])

    def padded(self, length: int, pad_id: int) -> np.ndarray:
        """Return int32 [texts, length], filled up with ``pad_id``; ``length`` is at least the longest text's."""
        rows = np.full((len(self.lengths), length), pad_id, np.int32)
        rows[np.arange(length) < self.lengths[:, None]] = self.ids
        return rows


def _spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return ``starts[0], starts[0] + 1, …`` (``counts[0]`` of them), then ``starts[1], …``: int64 [counts.sum()]."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(counts.sum())
