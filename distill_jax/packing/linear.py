"""The linear student made small: the features that say most, in the few directions in which classes differ.

What a feature says is a number for each class. Softmax sees their differences alone, so that one direction goes; along
the others, turned so that the first say most, the numbers are rounded to one step for tokens and another for n-grams,
which are many and rare. A feature counts by the largest difference that it makes and how often: a feature of n
occurrences that are on either side of a text's decision adds up as √n.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from distill_jax.packed.coding import Quantised, quantised
from distill_jax.packing.shrinker import Shrinker, Shrunk
from distill_jax.packing.usage import Usage
from distill_jax.students.fasttext import FastTextConfig

# Steps as parts of what the features that occur say on average.
_TOKEN_STEP = 0.1
_NGRAM_STEP = 0.5
_SHARE = 2**-0.375  # of the features, from a level to the next


@dataclasses.dataclass(frozen=True)
class LinearShrinker(Shrinker):
    """The linear student in its own directions.

    Attributes:
        config: the student, as wide as there are directions.
        values: float64 [ids, directions].
        kernel: float32 [directions, classes].
        bias: float32 [classes].
        order: int [features], those that occur and say something, the one that says most first.
        scale: what they say on average.
    """

    levels: ClassVar[int] = 22

    config: FastTextConfig
    values: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    order: np.ndarray
    scale: float

    @classmethod
    def of(cls, config: FastTextConfig, params: Mapping[str, Any], usage: Usage) -> "LinearShrinker":
        """Turn the features' scores into their own directions."""
        kernel = np.asarray(params["output"]["kernel"], np.float64)
        bias = np.asarray(params["output"]["bias"], np.float64)
        scores = np.asarray(params["embeddings"], np.float64) @ kernel
        if config.labelling.has_classes:  # softmax does not see what is added to every class
            scores -= scores.mean(axis=1, keepdims=True)
        scores[config.pad_id] = 0
        largest = np.abs(scores).max(axis=1)
        counts = usage.features * (largest > 0)
        weighted = scores * np.sqrt(counts)[:, None]
        _, sizes, directions = np.linalg.svd(weighted.T @ weighted)
        rank = max(1, int((sizes > sizes[0] * 1e-12).sum()))
        importance = np.sqrt(counts) * largest
        order = np.argsort(-importance, kind="stable")[: np.count_nonzero(importance)]
        return cls(
            config=dataclasses.replace(config, embedding_dim=rank),
            values=scores @ directions[:rank].T,
            kernel=directions[:rank].astype(np.float32),
            bias=bias.astype(np.float32),
            order=order,
            scale=float(largest[order].mean()) if len(order) else 1.0,
        )

    @property
    def levels_of_all_words(self) -> int:
        """The first eight: nothing is known of what no text has, and the file is small beside a vocabulary."""
        return 8

    def at(self, level: int) -> Shrunk:
        """Return the student with the features that say most, fewer of them at each level."""
        kept = np.zeros(self.config.ids, bool)
        kept[self.order[: round(len(self.order) * _SHARE**level)]] = True
        ids = np.flatnonzero(kept)
        groups = (ids >= self.config.vocab_size).astype(np.uint8)
        finer = 2.0 ** -max(0, 2 - level)  # the first levels keep nearly all features: there the steps are the loss
        steps = (_TOKEN_STEP * finer * self.scale, _NGRAM_STEP * finer * self.scale)
        table = quantised(self.values[ids], steps, groups, kept)
        says = table.integers.any(axis=1)
        kept[ids[~says]] = False
        table = dataclasses.replace(table, integers=table.integers[says], groups=groups[says], kept=kept)
        arrays: dict[str, np.ndarray | Quantised] = {
            "embeddings": table,
            "output.kernel": self.kernel,
            "output.bias": self.bias,
        }
        return Shrunk(self.config, arrays)
