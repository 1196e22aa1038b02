"""Kim's CNN as nodes: a convolution for each height of filters, ReLU, the maximum over a text's windows."""

import numpy as np

from distill_jax.conversion.onnx.graph import Graph
from distill_jax.conversion.onnx.network import OnnxNetwork
from distill_jax.students.cnn import CnnConfig


class OnnxCnn(OnnxNetwork[CnnConfig]):
    """Embedding, filters of several heights, ReLU, maximum over time, linear layer."""

    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network."""
        config = self.config
        ids = graph.padded(ids, max(config.filter_heights), config.pad_id)
        lengths = graph.real_lengths(ids, config.pad_id)
        embedded = graph.rows(self.arrays[config.table_name], ids)
        if config.mask_padding:
            real = graph.cast(graph.below(lengths, ids, 1), np.float32)
            embedded = graph.add("Mul", embedded, graph.unsqueezed(real, 2))
        embedded = graph.add("Transpose", embedded, perm=[0, 2, 1])
        pooled = [self._pooled(graph, embedded, lengths, index) for index in range(len(config.filter_heights))]
        kernel, bias = (graph.weight(self.arrays[f"fc.{part}"]) for part in ("kernel", "bias"))
        return graph.affine(graph.add("Concat", *pooled, axis=1), kernel, bias)

    def _pooled(self, graph: Graph, embedded: str, lengths: str, index: int) -> str:
        """Return the features of a height, [batch, filters]; ``embedded`` is [batch, dim, length]."""
        kernel = graph.add("Transpose", graph.weight(self.arrays[f"conv{index}.kernel"]), perm=[2, 1, 0])
        response = graph.add("Conv", embedded, kernel, graph.weight(self.arrays[f"conv{index}.bias"]))
        counted = graph.cast(graph.below(self._windows(graph, lengths, index), response, 2), np.float32)
        # Nothing is below 0 after ReLU, so that 0 for a window that does not count leaves the maximum as it is.
        features = graph.add("Mul", graph.add("Relu", response), graph.unsqueezed(counted, 1))
        return graph.add("ReduceMax", features, graph.constant([2]), keepdims=0)

    def _windows(self, graph: Graph, lengths: str, index: int) -> str:
        """Return how many windows of each text count, as ``NumpyCnn`` counts them; at least one."""
        heights = self.config.filter_heights
        if self.config.mask_padding:
            return graph.add("Max", lengths, graph.constant(1))
        most = max(self.max_length, *heights) - heights[index] + 1
        return graph.add("Min", graph.add("Add", lengths, graph.constant(1)), graph.constant(most))
