"""Kim's CNN in NumPy: additions of what each token says to each filter, as ``WindowLookup`` has it.

A filter's response to a window is a sum over the window's tokens. What each token that occurs adds, at each place of a
window, is one matrix product; a response is then as many additions as the filter is high.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.explanation.features import Features
from distill_jax.inference.network import NumpyNetwork
from distill_jax.inference.networks.batches import by_batches, distinct, still_reading
from distill_jax.inference.table import Table
from distill_jax.students.cnn import CnnConfig
from distill_jax.students.ensemble import EnsembleConfig
from distill_jax.students.params import flat_params


@dataclasses.dataclass(frozen=True)
class NumpyCnn(NumpyNetwork):
    """The CNN.

    Attributes:
        config: the student.
        table: the tokens' embeddings.
        kernels: for each place of a window, float32 [dim, heights above it × filters]; the tallest filters come first.
        bias: float32 [heights × filters], in their order.
        output: float32 [heights × filters, classes], and its bias [classes].
        max_length: the tokens that a text is padded to where padding counts as text.
    """

    config: CnnConfig | EnsembleConfig
    table: Table
    kernels: tuple[np.ndarray, ...]
    bias: np.ndarray
    output: tuple[np.ndarray, np.ndarray]
    max_length: int

    @classmethod
    def of(cls, config: CnnConfig | EnsembleConfig, params: Mapping[str, Any], max_length: int) -> "NumpyCnn":
        """Return the network of parameters, among which the embeddings may be a ``Table``."""
        flat = flat_params(params)
        heights = config.filter_heights
        order = sorted(range(len(heights)), key=lambda index: -heights[index])
        filters = [np.asarray(flat[f"conv{index}.kernel"]) for index in order]
        kernels = tuple(
            np.ascontiguousarray(np.concatenate([kernel[place] for kernel in filters if len(kernel) > place], axis=1))
            for place in range(max(heights))
        )
        bias = np.concatenate([np.asarray(flat[f"conv{index}.bias"]) for index in order])
        by_height = np.asarray(flat["fc.kernel"]).reshape(len(heights), config.filters, -1)
        output = np.ascontiguousarray(by_height[order].reshape(len(bias), -1))
        return cls(
            config, Table.of(flat["embedding"]), kernels, bias, (output, np.asarray(flat["fc.bias"])), max_length
        )

    def logits(self, tokens: Ragged) -> np.ndarray:
        """Return the rows' logits, float32 [rows, classes]."""
        return np.asarray(self.config.labelling.outputs(self._computed(tokens)))

    def _computed(self, tokens: Ragged) -> np.ndarray:
        tokens = tokens.trimmed(self.config.pad_id)
        if not len(tokens):
            return np.zeros((0, self.config.num_labels), np.float32)
        behind = self.config.pad_id if not self.config.mask_padding else 0
        occurring, places = distinct(self.table.rows(np.append(tokens.ids, behind)), len(self.table.values))
        embedded = self.table.values[occurring]
        shares = [np.concatenate([embedded @ kernel, _zeros(kernel)]) for kernel in self.kernels]
        # Behind a text stand zeros, the last row of the shares; or else padding.
        beyond = len(occurring) if self.config.mask_padding else int(places[-1])
        rows = Ragged(places[:-1], tokens.lengths)
        return by_batches(rows, self.config.num_labels, lambda batch: self._logits(batch, shares, beyond))

    def features(self, row: Ragged) -> Features:
        """Return the windows that filters took of a row, with what those filters add to the logits."""
        tokens = row.trimmed(self.config.pad_id).ids
        padded = np.append(tokens, [self.config.pad_id] * len(self.kernels))
        embedded = self.table.values[self.table.rows(padded)]
        if self.config.mask_padding:
            embedded[len(tokens) :] = 0
        counts = self._starts(np.array([len(tokens)]))[0]
        windows = int(counts.max())
        response = np.zeros((windows, len(self.bias)), np.float32)
        for place, kernel in enumerate(self.kernels):
            response[:, : kernel.shape[1]] += embedded[place : place + windows] @ kernel
        self._forget(response, counts <= np.arange(windows)[:, None])
        active = np.maximum(response.max(axis=0) + self.bias, 0)
        took = np.flatnonzero(active)
        heights = np.array(sorted(self.config.filter_heights, reverse=True)).repeat(self.config.filters)[took]
        starts = response.argmax(axis=0)[took]
        stretches = np.minimum(np.stack([starts, starts + heights]), len(tokens))
        (first, stops), of_filter = np.unique(stretches, axis=1, return_inverse=True)
        kernel, bias = self.output
        parts = np.zeros((len(first), len(bias)))
        np.add.at(parts, of_filter, active[took, None].astype(np.float64) * kernel[took])
        return Features(first, stops, parts, bias.astype(np.float64)).of_task(self.config.labelling)

    def _logits(self, batch: Ragged, shares: list[np.ndarray], beyond: int) -> np.ndarray:
        """Return the logits of texts, the longest first, whose tokens are rows of ``shares``."""
        starts = self._starts(batch.lengths)
        windows = still_reading(starts.max(axis=1))
        padded = batch.padded(len(windows) + len(shares), beyond).T
        highest = np.full((len(batch), len(self.bias)), -np.inf, np.float32)
        alike = bool((starts == starts[:, :1]).all())
        for position, texts in enumerate(windows):
            response = shares[0].take(padded[position, :texts], axis=0)
            for place in range(1, len(shares)):
                share = shares[place].take(padded[position + place, :texts], axis=0)
                response[:, : share.shape[1]] += share
            if not alike:
                self._forget(response, starts[:texts] <= position)
            np.maximum(highest[:texts], response, out=highest[:texts])
        features = np.maximum(highest + self.bias, 0)
        kernel, bias = self.output
        return features @ kernel + bias

    def _starts(self, lengths: np.ndarray) -> np.ndarray:
        """Return how many windows count, [texts, heights], the tallest first; at least one."""
        heights = np.array(sorted(self.config.filter_heights, reverse=True))
        if self.config.mask_padding:
            return np.maximum(lengths, 1)[:, None].repeat(len(heights), axis=1)
        # A padded row has so many windows; those of padding alone are all alike, and one of them is enough.
        return np.minimum(lengths[:, None] + 1, max(self.max_length, int(heights[0])) - heights + 1)

    def _forget(self, response: np.ndarray, ended: np.ndarray) -> None:
        filters = response.shape[1] // ended.shape[1]
        for index in range(ended.shape[1]):
            response[ended[:, index], index * filters : (index + 1) * filters] = -np.inf


def _zeros(kernel: np.ndarray) -> np.ndarray:
    return np.zeros((1, kernel.shape[1]), np.float32)
