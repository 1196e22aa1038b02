"""Tang's BiLSTM in NumPy: what a token adds to the gates is computed once for every token that occurs.

σ(x) = (1 + tanh(x/2))/2, so that one pass of tanh serves all four gates; the halves are in the parameters already.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.network import NumpyNetwork
from distill_jax.inference.networks.batches import by_batches, distinct, still_reading
from distill_jax.inference.table import Table
from distill_jax.students.bilstm import BiLstmConfig
from distill_jax.students.params import flat_params

_DIRECTIONS = ("forward", "backward")


@dataclasses.dataclass(frozen=True)
class _Direction:
    """An LSTM's parameters, the gates in the order i, f, o, g; those of σ halved.

    Attributes:
        inputs: float32 [dim, 4 × hidden].
        bias: float32 [4 × hidden], both biases' sum.
        state: float32 [hidden, 4 × hidden].
    """

    inputs: np.ndarray
    bias: np.ndarray
    state: np.ndarray

    @classmethod
    def of(cls, flat: Mapping[str, Any], name: str) -> "_Direction":
        kernel = np.asarray(flat[f"{name}.input_kernel"])
        bias = np.asarray(flat[f"{name}.input_bias"]) + np.asarray(flat[f"{name}.state_bias"])
        return cls(_gates(kernel), _gates(bias), _gates(np.asarray(flat[f"{name}.state_kernel"])))


@dataclasses.dataclass(frozen=True)
class NumpyBiLstm(NumpyNetwork):
    """The BiLSTM.

    Attributes:
        config: the student.
        table: the tokens' embeddings.
        directions: the two LSTMs.
        dense: the ReLU layer's kernel and bias.
        output: the last layer's.
    """

    config: BiLstmConfig
    table: Table
    directions: tuple[_Direction, ...]
    dense: tuple[np.ndarray, np.ndarray]
    output: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, config: BiLstmConfig, params: Mapping[str, Any]) -> "NumpyBiLstm":
        """Return the network of parameters, among which the embeddings may be a ``Table``."""
        flat = flat_params(params)
        dense, output = (
            (np.asarray(flat[f"{layer}.kernel"]), np.asarray(flat[f"{layer}.bias"])) for layer in ("dense", "fc")
        )
        directions = tuple(_Direction.of(flat, name) for name in _DIRECTIONS)
        return cls(config, Table.of(flat["embedding"]), directions, dense, output)

    def logits(self, tokens: Ragged) -> np.ndarray:
        """Return the rows' logits, float32 [rows, classes]."""
        return np.asarray(self.config.labelling.outputs(self._computed(tokens)))

    def _computed(self, tokens: Ragged) -> np.ndarray:
        tokens = tokens.trimmed(self.config.pad_id)
        if not len(tokens):
            return np.zeros((0, self.config.num_labels), np.float32)
        occurring, places = distinct(self.table.rows(tokens.ids), len(self.table.values))
        embedded = self.table.values[occurring]
        shares = [embedded @ direction.inputs + direction.bias for direction in self.directions]
        rows = Ragged(places, tokens.lengths)
        return by_batches(rows, self.config.num_labels, lambda batch: self._logits(batch, shares))

    def _logits(self, batch: Ragged, shares: list[np.ndarray]) -> np.ndarray:
        """Return the logits of texts, the longest first, whose tokens are rows of ``shares``."""
        reading = still_reading(batch.lengths)
        backwards = (batch.starts + batch.stops - 1).repeat(batch.lengths) - np.arange(len(batch.ids))
        features = np.concatenate(
            [
                self._pooled(direction.state, share, texts.padded(len(reading), 0).T, reading)
                for direction, share, texts in zip(
                    self.directions, shares, (batch, Ragged(batch.ids[backwards], batch.lengths)), strict=True
                )
            ],
            axis=1,
        )
        dense, output = self.dense, self.output
        return np.maximum(features @ dense[0] + dense[1], 0) @ output[0] + output[1]

    def _pooled(self, kernel: np.ndarray, share: np.ndarray, places: np.ndarray, reading: list[int]) -> np.ndarray:
        """Return the pooled states of one direction, [texts, hidden]; zeros for an empty text.

        Args:
            kernel: from the states to the gates.
            share: the tokens' part of the gates.
            places: int [length, texts], rows of ``share``.
            reading: for each position, how many texts have a token there.
        """
        texts, hidden = places.shape[1], self.config.hidden
        pooled = np.zeros((texts, hidden), np.float32)
        state, cell = pooled.copy(), pooled.copy()
        for position, count in enumerate(reading):
            gates = share.take(places[position, :count], axis=0)
            if position:
                gates += state[:count] @ kernel
            np.tanh(gates, out=gates)
            sigmoids = gates[:, : 3 * hidden]
            sigmoids *= 0.5
            sigmoids += 0.5
            i, f, o, g = (gates[:, start : start + hidden] for start in range(0, 4 * hidden, hidden))
            cell = f * cell[:count] + i * g
            state = o * np.tanh(cell)
            if self.config.states == "last" or not position:
                pooled[:count] = state
            else:
                np.maximum(pooled[:count], state, out=pooled[:count])
        return pooled


def _gates(array: np.ndarray) -> np.ndarray:
    """Return gates i, f, g, o of the last axis as i, f, o, g, those of σ halved."""
    i, f, g, o = np.split(array, 4, axis=-1)
    return np.ascontiguousarray(np.concatenate([i / 2, f / 2, o / 2, g], axis=-1), np.float32)
