"""How often each id occurs in the texts that a student was trained on."""

import dataclasses

import numpy as np

from distill_jax.data.exports import Export
from distill_jax.export.format import LEARNT_SPLITS
from distill_jax.students.config import StudentConfig


@dataclasses.dataclass(frozen=True)
class Usage:
    """Counts over the training and the transfer texts.

    Attributes:
        tokens: int64 [vocab], how often each token occurs.
        features: int64 [ids], how often each id occurs of those that the student sees, n-grams' buckets included.
    """

    tokens: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, config: StudentConfig, export: Export) -> "Usage":
        """Count the ids of an export's texts."""
        tokens, features = np.zeros(config.vocab_size, np.int64), np.zeros(config.ids, np.int64)
        for split in LEARNT_SPLITS:
            if split in export.manifest.splits:
                rows = export.split(split)
                tokens += np.bincount(rows.tokens.ids, minlength=config.vocab_size)
                inputs = config.inputs(rows.tokens)
                features += np.bincount(inputs.ids.reshape(-1), minlength=config.ids)
        return cls(tokens, features)

    @classmethod
    def unknown(cls, config: StudentConfig) -> "Usage":
        """Return the usage where no text is at hand: each id as often as any other."""
        return cls(np.ones(config.vocab_size, np.int64), np.ones(config.ids, np.int64))
