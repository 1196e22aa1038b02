"""Rows of tokens of unequal length, one after the other: the form in which tokens are held everywhere but in a batch.

Padding comes last, a batch at a time. NumPy alone: both halves of the product hold tokens so.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np

from distill_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Ragged:
    """Rows of token ids, one row after the other, without padding.

    Attributes:
        ids: int32 [tokens], or [tokens, ngrams] where each token has its n-grams beside it.
        lengths: int64 [rows], how many tokens are each row's.
    """

    ids: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Self:
        """Return rows given as lists of ids."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        return cls(np.fromiter(itertools.chain.from_iterable(rows), np.int32, int(lengths.sum())), lengths)

    @classmethod
    def from_padded(cls, input_ids: np.ndarray, pad_id: int) -> Self:
        """Return padded rows, int [rows, length], without what fills them up on the right.

        Raises:
            InputError: the array has another form, or an id does not fit int32.
        """
        ids = np.asarray(input_ids)
        if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"input_ids: expected integers [rows, length], got {ids.dtype} {list(ids.shape)}")
        flat = ids.reshape(-1).astype(np.int32)
        if not np.array_equal(flat, ids.reshape(-1)):
            raise InputError(f"input_ids: expected ids that fit int32, got {ids.min()} to {ids.max()}")
        return cls(flat, np.full(len(ids), ids.shape[1], np.int64)).trimmed(pad_id)

    @classmethod
    def concatenate(cls, parts: Sequence["Ragged"]) -> Self:
        """Return the rows of several, one part's after the other's."""
        return cls(np.concatenate([part.ids for part in parts]), np.concatenate([part.lengths for part in parts]))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lengths)

    @cached_property
    def stops(self) -> np.ndarray:
        """One more than the index of each row's last token, int64 [rows]."""
        return np.cumsum(self.lengths)

    @cached_property
    def starts(self) -> np.ndarray:
        """The index of each row's first token, int64 [rows]."""
        return self.stops - self.lengths

    @property
    def columns(self) -> np.ndarray:
        """Each token's place in its row, from 0, int64 [tokens]."""
        return spans(np.zeros_like(self.lengths), self.lengths)

    def take(self, rows: np.ndarray) -> Self:
        """Return some of the rows: those of these numbers, in their order, or those where a mask is true."""
        lengths = self.lengths[rows]
        return type(self)(self.ids[spans(self.starts[rows], lengths)], lengths)

    def where(self, kept: np.ndarray) -> Self:
        """Return the rows with those of their tokens alone for which ``kept``, bool [tokens], is true."""
        counted = np.concatenate([[0], np.cumsum(kept)])
        return type(self)(self.ids[kept], counted[self.stops] - counted[self.starts])

    def without(self, pad_id: int) -> Self:
        """Return the rows without a token, wherever it stands in them; of n-grams none may be beside the tokens."""
        kept = self.ids != pad_id
        return self if kept.all() else self.where(kept)

    def trimmed(self, pad_id: int) -> Self:
        """Return the rows without the ``pad_id`` at their ends; inside a row it stays."""
        tokens = self.ids if self.ids.ndim == 1 else self.ids[:, 0]
        filled = self.lengths > 0
        if not np.any(tokens[self.stops[filled] - 1] == pad_id):
            return self
        columns = self.columns
        lengths = np.zeros_like(self.lengths)
        lengths[filled] = np.maximum.reduceat(np.where(tokens != pad_id, columns + 1, 0), self.starts[filled])
        return type(self)(self.ids[columns < np.repeat(lengths, self.lengths)], lengths)

    def flattened(self) -> Self:
        """Return the rows with their n-grams as tokens among the others, in the order in which they start."""
        ngrams = 1 if self.ids.ndim == 1 else self.ids.shape[1]
        return type(self)(self.ids.reshape(-1), self.lengths * ngrams)

    def padded(self, length: int, pad_id: int) -> np.ndarray:
        """Return int32 [rows, length], or [rows, length, ngrams], filled up on the right with ``pad_id``.

        Args:
            length: at least the longest row's.
            pad_id: what stands behind a row's last token.
        """
        rows = np.full((len(self), length, *self.ids.shape[1:]), pad_id, np.int32)
        rows[np.arange(length) < self.lengths[:, None]] = self.ids
        return rows


def spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return ``starts[0], starts[0] + 1, …`` (``counts[0]`` of them), then ``starts[1], …``: int64 [counts.sum()]."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(counts.sum())
