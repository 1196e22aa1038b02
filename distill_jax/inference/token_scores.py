"""The linear student's logits without its embeddings: a sum over a text of what each token says for each class.

The mean of embeddings followed by a linear layer is linear in the tokens, ``logits = Σ_t (table · kernel)[t] / divisor
+ bias``; so the product is made once, and a text costs a few numbers a token. In NumPy: there is nothing left that a
compiled program would do faster, and no batch to pad.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.ngrams import ngrams_of_row
from distill_jax.data.ragged import Ragged
from distill_jax.inference.explanation.features import Features
from distill_jax.inference.network import NumpyNetwork
from distill_jax.inference.table import Table
from distill_jax.students.fasttext import FastTextConfig

_FEW, _SHORT = 4, 256  # rows, and tokens of them together, that are faster one by one
_TABLE_ROWS_AT_ONCE = 1_024  # few enough for the processor's cache; nor is the table held twice, in float64


@dataclasses.dataclass(frozen=True)
class TokenScores(NumpyNetwork):
    """What each token of the vocabulary adds to each class's logit.

    Attributes:
        scores: float64 [classes, rows], a row for each token and bucket that says something; the pad token's are 0.
        places: int32 [vocab + buckets], each one's row; None = it is its own.
        bias: float64 [classes].
        config: the student's.
        padded_length: what a text's sum is divided by; None = by its number of tokens.
        dtype: of the logits: the parameters'.
    """

    scores: np.ndarray
    places: np.ndarray | None
    bias: np.ndarray
    config: FastTextConfig
    padded_length: int | None
    dtype: np.dtype

    @classmethod
    def of(cls, config: FastTextConfig, params: Mapping[str, Any], padded_length: int) -> "TokenScores":
        """Return the scores of a linear student whose texts are padded to ``padded_length`` tokens."""
        rows_of, output = Table.of(params["embeddings"]), params["output"]
        table = rows_of.values
        kernel = np.asarray(output["kernel"], np.float64)
        scores = np.empty((kernel.shape[1], len(table)))
        for start in range(0, len(table), _TABLE_ROWS_AT_ONCE):
            rows = slice(start, start + _TABLE_ROWS_AT_ONCE)
            scores[:, rows] = (table[rows].astype(np.float64) @ kernel).T
        scores[:, rows_of.rows(np.array([config.pad_id]))] = 0
        bias = np.asarray(output["bias"], np.float64)
        return cls(scores, rows_of.places, bias, config, None if config.mask_padding else padded_length, table.dtype)

    def logits(self, tokens: Ragged) -> np.ndarray:
        """Return the rows' logits, [rows, classes]."""
        if 1 <= len(tokens) <= _FEW and tokens.ids.ndim == 1 and len(tokens.ids) <= _SHORT:
            return np.concatenate(
                [self._logits_of_one(row.tolist()) for row in np.split(tokens.ids, tokens.stops[:-1])]
            )
        inputs = self.config.inputs(tokens).flattened()
        rows = inputs.ids if self.places is None else self.places[inputs.ids]
        sums = np.stack([_sums(scores[rows], inputs.lengths) for scores in self.scores], axis=1)
        if self.padded_length is not None:
            means = sums / self.padded_length
        else:
            real = (inputs.ids != self.config.pad_id).astype(np.int64)
            means = sums / np.maximum(_sums(real, inputs.lengths), 1)[:, None]
        return self.config.labelling.outputs((means + self.bias).astype(self.dtype))

    def features(self, row: Ragged) -> Features:
        """Return the tokens and the n-grams of a row, which is all that its logits are made of."""
        ids = self.config.inputs(row).ids.reshape(len(row.ids), -1)
        first, extra = np.nonzero((ids != self.config.pad_id) | (np.arange(ids.shape[1]) == 0))
        found = ids[first, extra]
        rows = found if self.places is None else self.places[found]
        divisor = self.padded_length or max(1, np.count_nonzero(found != self.config.pad_id))
        parts = self.scores[:, rows].T / divisor
        says = (extra == 0) | (parts != 0).any(axis=1)  # of n-grams most were never learnt, or not kept
        stops = first + extra + 1
        return Features(first[says], stops[says], parts[says], self.bias).of_task(self.config.labelling)

    def _logits_of_one(self, ids: list[int]) -> np.ndarray:
        """Return the logits of a short row, [1, classes]: to the bit those that it has among others."""
        config = self.config
        if config.ngrams > 1:
            sizes = {"vocab_size": config.vocab_size, "buckets": config.buckets, "pad_id": config.pad_id}
            ids = ngrams_of_row(ids, config.ngrams, **sizes)
        rows = np.array(ids, np.int64)
        if self.places is not None:
            rows = self.places[rows]
        sums = self.scores.take(rows, axis=1).sum(axis=1)
        divisor = self.padded_length or max(1, len(ids) - ids.count(config.pad_id))
        return np.asarray(config.labelling.outputs((sums / divisor + self.bias).astype(self.dtype)[None]))


def _sums(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the sums of the first ``lengths[0]`` values, the next ``lengths[1]``, …."""
    sums = np.zeros(len(lengths), values.dtype)
    filled = lengths > 0  # reduceat knows no empty stretches
    if filled.any():
        sums[filled] = np.add.reduceat(values, (np.cumsum(lengths) - lengths)[filled])
    return sums
