"""The linear student as nodes: a mean of embeddings, and the hash of n-grams in whole numbers that never overflow."""

import numpy as np

from distill_jax.conversion.onnx.graph import Graph
from distill_jax.conversion.onnx.network import OnnxNetwork
from distill_jax.data.ngrams import FACTOR
from distill_jax.students.fasttext import FastTextConfig

_HALF = 1 << 32


class OnnxLinear(OnnxNetwork[FastTextConfig]):
    """The mean of the embeddings of tokens and n-grams, then a linear layer."""

    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network."""
        config = self.config
        ids = self._with_ngrams(graph, graph.padded(ids, max(config.ngrams - 1, 1), config.pad_id))
        real = graph.cast(graph.is_not(ids, config.pad_id), np.float32)
        if config.mask_padding:
            counted = graph.add("ReduceSum", real, graph.constant([1]), keepdims=1)
            divisor = graph.add("Max", counted, graph.constant(1, np.float32))
        else:
            divisor = graph.constant(self.max_length, np.float32)
        weights = graph.unsqueezed(graph.add("Div", real, divisor), 1)
        sums = graph.add("MatMul", weights, graph.rows(self.arrays[config.table_name], ids))
        kernel, bias = (graph.weight(self.arrays[f"output.{part}"]) for part in ("kernel", "bias"))
        return graph.affine(graph.add("Squeeze", sums, graph.constant([1])), kernel, bias)

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
