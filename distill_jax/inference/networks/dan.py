"""A deep averaging network in NumPy: what each id adds to the hidden layer is computed once, a text is a sum of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.network import NumpyNetwork
from distill_jax.inference.table import Table
from distill_jax.students.dan import DanConfig

_TEXTS_AT_ONCE = 128  # whose rows fit the processor's cache
_ROWS_AT_ONCE = 4_096


@dataclasses.dataclass(frozen=True)
class NumpyDan(NumpyNetwork):
    """The network.

    Attributes:
        config: the student.
        shares: float32 [rows, hidden], what each id adds to the hidden layer before its bias; of padding zeros.
        places: int32 [vocab + buckets], each id's row; None = it is its own.
        hidden_bias: float32 [hidden].
        output: float32 [hidden, classes], and its bias [classes].
    """

    config: DanConfig
    shares: np.ndarray
    places: np.ndarray | None
    hidden_bias: np.ndarray
    output: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, config: DanConfig, params: Mapping[str, Any]) -> "NumpyDan":
        """Return the network of parameters, among which the embeddings may be a ``Table``."""
        table, hidden, output = Table.of(params["embeddings"]), params["hidden"], params["output"]
        kernel = np.asarray(hidden["kernel"], np.float32)
        shares = np.empty((len(table.values), kernel.shape[1]), np.float32)
        for start in range(0, len(shares), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            np.matmul(table.values[rows], kernel, out=shares[rows])
        shares[table.rows(np.array([config.pad_id]))] = 0
        last = np.asarray(output["kernel"], np.float32), np.asarray(output["bias"], np.float32)
        return cls(config, shares, table.places, np.asarray(hidden["bias"], np.float32), last)

    def logits(self, tokens: Ragged) -> np.ndarray:
        """Return the rows' logits, float32 [rows, classes]."""
        inputs = self.config.inputs(tokens).flattened().without(self.config.pad_id)
        rows = inputs.ids if self.places is None else self.places[inputs.ids]
        sums = np.zeros((len(inputs), self.shares.shape[1]), np.float32)
        for start in range(0, len(inputs), _TEXTS_AT_ONCE):
            texts = np.arange(start, min(start + _TEXTS_AT_ONCE, len(inputs)))
            texts = texts[inputs.lengths[texts] > 0]  # reduceat knows no empty stretches
            if len(texts):
                first = int(inputs.starts[texts[0]])
                found = self.shares.take(rows[first : inputs.stops[texts[-1]]], axis=0)
                sums[texts] = np.add.reduceat(found, inputs.starts[texts] - first, axis=0)
        weights = np.maximum(inputs.lengths, 1).astype(np.float32) ** np.float32(-self.config.length_power)
        kernel, bias = self.output
        hidden = np.maximum(sums * weights[:, None] + self.hidden_bias, 0)
        return np.asarray(self.config.labelling.outputs(hidden @ kernel + bias))
