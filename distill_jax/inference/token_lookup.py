"""What lookups share: what a student computes for a token alone is computed once for each token that occurs."""

import abc
import dataclasses
from typing import Any, Generic, Self, TypeVar

import jax
import numpy as np
from jax import Array

from distill_jax.data.batching import padded_rows
from distill_jax.data.compaction import Compaction
from distill_jax.data.ragged import Ragged
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params

_FEWEST_TOKENS = 4096  # so many in all texts together, or nothing is gained
_MOST_BYTES = 1 << 28  # of the shares: they are several times larger than the embeddings


_Config = TypeVar("_Config", bound=StudentConfig)


@dataclasses.dataclass(frozen=True)
class TokenLookup(abc.ABC, Generic[_Config]):
    """Texts, and the tokens' shares: what each token that occurs in them adds to what the student computes.

    Attributes:
        config: the student's shape.
        params: its parameters.
        tokens: the texts, in compact ids.
        length: the tokens that they are padded to.
        compaction: from the vocabulary to the tokens that occur.
        shares: arrays of a row for each of these; further rows, one at least, fill them up to a power of two, so that
            few programs are compiled.
    """

    config: _Config
    params: Params
    tokens: Ragged
    length: int
    compaction: Compaction
    shares: Any

    @classmethod
    def of(cls, config: _Config, params: Params, tokens: Ragged, length: int) -> Self | None:
        """Look the texts' tokens up; None where the student's own module does better.

        It pays on a CPU, for many texts that repeat their tokens; a GPU multiplies faster than it looks up.

        Args:
            config: the student's shape.
            params: its parameters.
            tokens: the texts, without padding at their ends.
            length: the tokens that they are padded to.

        Raises:
            InputError: an id lies outside the vocabulary.
        """
        real = len(tokens.ids)
        if jax.default_backend() != "cpu" or real < _FEWEST_TOKENS:
            return None
        compaction = Compaction.of([tokens.ids], config.vocab_size, config.pad_id)
        count = len(compaction.tokens)
        rows = 1 << count.bit_length()
        if 4 * count > 3 * real or 4 * rows * cls.width(config) > _MOST_BYTES:
            return None
        shares = cls.token_shares(config, params, padded_rows(compaction.tokens, rows), count)
        return cls(config, params, compaction.apply(tokens), length, compaction, shares)

    @staticmethod
    @abc.abstractmethod
    def width(config: Any) -> int:
        """Return how many numbers a token's shares are."""

    @staticmethod
    @abc.abstractmethod
    def token_shares(config: Any, params: Params, tokens: np.ndarray, count: int) -> Any:
        """Return the shares of the first ``count`` of ``tokens``, int32 [rows]."""

    @abc.abstractmethod
    def logits(self, index: np.ndarray) -> Array:
        """Return the logits of some of the texts, [len(index), classes]."""
