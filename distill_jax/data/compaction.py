"""A smaller vocabulary of the tokens that occur."""

import dataclasses

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Compaction:
    """A smaller vocabulary of the tokens that occur; rows of the table that no text uses never move.

    Attributes:
        tokens: int32 [kept], the ids that occur, ascending, ``pad_id`` among them.
        pad_id: the pad token's place among them.
        compact_of: int32 [vocab_size], each id's place among them; 0 for those that do not occur.
    """

    tokens: np.ndarray
    pad_id: int
    compact_of: np.ndarray

    @classmethod
    def of(cls, splits: list[np.ndarray], vocab_size: int, pad_id: int) -> "Compaction":
        """Return the compaction of the tokens in several arrays of ids.

        Raises:
            InputError: an id lies outside the vocabulary.
        """
        occurs = np.zeros(vocab_size, bool)
        occurs[pad_id] = True
        for ids in splits:
            if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
                wrong = int(ids.max() if ids.max() >= vocab_size else ids.min())
                raise InputError(f"input_ids: expected 0 to {vocab_size - 1} (the student's vocabulary), got {wrong}")
            occurs[ids] = True
        tokens = np.flatnonzero(occurs).astype(np.int32)
        compact_of = np.zeros(vocab_size, np.int32)
        compact_of[tokens] = np.arange(len(tokens), dtype=np.int32)
        return cls(tokens, int(compact_of[pad_id]), compact_of)

    def apply(self, tokens: Ragged) -> Ragged:
        """Return the same rows in compact ids."""
        return Ragged(self.compact_of[tokens.ids], tokens.lengths)
