"""The tokens that occur in some texts: what a student computes for each token alone, it then computes once for each."""

import dataclasses

import jax
import numpy as np

from distill_jax.config import StudentConfig

_FEWEST_TOKENS = 4096  # so many in all texts together, or nothing is gained
_MOST_BYTES = 1 << 28  # of what is computed: it is several times larger than the embeddings


@dataclasses.dataclass(frozen=True)
class OccurringTokens:
    """The tokens that occur, and each token's place among them.

    Attributes:
        ids: int32 [rows], the tokens, ascending, the pad token among them; filled up with zeros, one at least, to a
            power of two, so that few programs are compiled.
        count: how many there are.
        place_of: int32 [vocab_size], each token's row.
    """

    ids: np.ndarray
    count: int
    place_of: np.ndarray

    @classmethod
    def of(
        cls, input_ids: np.ndarray, lengths: np.ndarray, config: StudentConfig, width: int
    ) -> "OccurringTokens | None":
        """Return the tokens of texts; None where to compute something for each of them would not pay.

        It pays on a CPU, for many texts that repeat their tokens; a GPU multiplies faster than it looks up.

        Args:
            input_ids: int32 [n, length].
            lengths: int [n], the position after each text's last token that is not padding.
            config: the student's shape.
            width: numbers that are computed for each token.
        """
        real = int(lengths.sum())
        if jax.default_backend() != "cpu" or real < _FEWEST_TOKENS:
            return None
        occurs = np.zeros(config.vocab_size, bool)
        occurs[input_ids] = True
        occurs[config.pad_id] = True
        tokens = np.flatnonzero(occurs)
        rows = 1 << len(tokens).bit_length()
        if 4 * len(tokens) > 3 * real or 4 * rows * width > _MOST_BYTES:
            return None
        ids, place_of = np.zeros(rows, np.int32), np.zeros(config.vocab_size, np.int32)
        ids[: len(tokens)] = tokens
        place_of[tokens] = np.arange(len(tokens))
        return cls(ids, len(tokens), place_of)
