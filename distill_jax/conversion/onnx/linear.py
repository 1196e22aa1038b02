"""Bags of n-grams as nodes: a sum of embeddings, and the hash of n-grams in whole numbers that never overflow."""

import abc
from typing import TypeVar

import numpy as np

from distill_jax.conversion.onnx.graph import Graph
from distill_jax.conversion.onnx.network import OnnxNetwork
from distill_jax.data.ngrams import FACTOR
from distill_jax.students.config import BagConfig
from distill_jax.students.dan import DanConfig
from distill_jax.students.fasttext import FastTextConfig

_HALF = 1 << 32


_Bag = TypeVar("_Bag", bound=BagConfig)


class _OnnxBag(OnnxNetwork[_Bag]):
    """The sum of the embeddings of tokens and n-grams, divided by what a student divides it by."""

    def bags(self, graph: Graph, ids: str) -> str:
        """Return the divided sums, float32 [batch, dim]."""
        config = self.config
        ids = self._with_ngrams(graph, graph.padded(ids, max(config.ngrams - 1, 1), config.pad_id))
        real = graph.cast(graph.is_not(ids, config.pad_id), np.float32)
        weights = graph.unsqueezed(graph.add("Div", real, self.divisors(graph, real)), 1)
        sums = graph.add("MatMul", weights, graph.rows(self.arrays[config.table_name], ids))
        return graph.add("Squeeze", sums, graph.constant([1]))

    @abc.abstractmethod
    def divisors(self, graph: Graph, real: str) -> str:
        """Return them, [batch, 1] or one for all, of 1 for each real token and n-gram and 0 for padding."""

    def layer(self, graph: Graph, name: str, inputs: str) -> str:
        """Add a linear layer by its name."""
        kernel, bias = (graph.weight(self.arrays[f"{name}.{part}"]) for part in ("kernel", "bias"))
        return graph.affine(inputs, kernel, bias)

    def _counts(self, graph: Graph, real: str) -> str:
        counted = graph.add("ReduceSum", real, graph.constant([1]), keepdims=1)
        return graph.add("Max", counted, graph.constant(1, np.float32))

    def _with_ngrams(self, graph: Graph, ids: str) -> str:
        """Return ids with those of their n-grams behind them, as ``hashed_ngrams`` has them; padding for none."""
        config = self.config
        found, whole = [ids], graph.is_not(ids, config.pad_id)
        real, high, low = whole, graph.constant(0), ids
        for extra in range(1, config.ngrams):
            following = _without_first(graph, ids, extra)
            high, low = _hashed(
                graph, _without_last(graph, high) if extra > 1 else high, _without_last(graph, low), following
            )
            whole = graph.add("And", _without_last(graph, whole), _without_first(graph, real, extra))
            bucket = graph.add("Add", _remainder(graph, high, low, config.buckets), graph.constant(config.vocab_size))
            found.append(graph.add("Where", whole, bucket, graph.constant(config.pad_id)))
        return graph.add("Concat", *found, axis=1) if len(found) > 1 else ids


class OnnxLinear(_OnnxBag[FastTextConfig]):
    """The mean of the embeddings of tokens and n-grams, then a linear layer."""

    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network."""
        return self.layer(graph, "output", self.bags(graph, ids))

    def divisors(self, graph: Graph, real: str) -> str:
        """Return how many tokens and n-grams each text has, or what texts are padded to."""
        return self._counts(graph, real) if self.config.mask_padding else graph.constant(self.max_length, np.float32)


class OnnxDan(_OnnxBag[DanConfig]):
    """The sum of the embeddings over a power of their number, a ReLU layer, a linear layer."""

    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network."""
        hidden = graph.add("Relu", self.layer(graph, "hidden", self.bags(graph, ids)))
        return self.layer(graph, "output", hidden)

    def divisors(self, graph: Graph, real: str) -> str:
        """Return the power of how many tokens and n-grams each text has."""
        return graph.add("Pow", self._counts(graph, real), graph.constant(self.config.length_power, np.float32))


def _without_first(graph: Graph, rows: str, columns: int) -> str:
    return graph.add(
        "Slice", rows, graph.constant([columns]), graph.constant([np.iinfo(np.int64).max]), graph.constant([1])
    )


def _without_last(graph: Graph, rows: str) -> str:
    return graph.add("Slice", rows, graph.constant([0]), graph.constant([-1]), graph.constant([1]))


def _hashed(graph: Graph, high: str, low: str, ids: str) -> tuple[str, str]:
    """Return (high · 2^32 + low) · FACTOR + ids modulo 2^64, again in halves.

    A half is below 2^32 and the factor below 2^27, so that no product reaches 2^63, where integers may end.
    """
    factor, half = graph.constant(int(FACTOR)), graph.constant(_HALF)
    lower = graph.add("Add", graph.add("Mul", low, factor), ids)
    carry = graph.add("Div", lower, half)
    upper = graph.add("Add", graph.add("Mul", high, factor), carry)
    return graph.add("Mod", upper, half), graph.add("Mod", lower, half)


def _remainder(graph: Graph, high: str, low: str, buckets: int) -> str:
    """Return (high · 2^32 + low) modulo ``buckets``, which are below 2^31."""
    count = graph.constant(buckets)
    upper = graph.add("Mul", graph.add("Mod", high, count), graph.constant(_HALF % buckets))
    return graph.add("Mod", graph.add("Add", upper, low), count)
