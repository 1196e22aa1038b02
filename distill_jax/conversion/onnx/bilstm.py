"""Tang's BiLSTM as nodes: ONNX's own bidirectional LSTM, which knows where each text ends."""

import numpy as np

from distill_jax.conversion.onnx.graph import Graph
from distill_jax.conversion.onnx.network import OnnxNetwork
from distill_jax.students.bilstm import BiLstmConfig

_DIRECTIONS = ("forward", "backward")
_LOWEST = -2.0  # below every state


class OnnxBiLstm(OnnxNetwork[BiLstmConfig]):
    """Embedding, LSTM in both directions, pooling over its states, ReLU layer, linear layer."""

    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network."""
        config = self.config
        rows = graph.add("Shape", ids, start=0, end=1)
        ids = self._with_a_row(graph, graph.padded(ids, 1, config.pad_id), rows)
        lengths = graph.real_lengths(ids, config.pad_id)
        tokens = graph.add("Transpose", graph.rows(self.arrays[config.table_name], ids), perm=[1, 0, 2])
        features = graph.add("Transpose", self._pooled(graph, tokens, lengths), perm=[1, 0, 2])
        features = graph.add("Reshape", features, graph.constant([-1, 2 * config.hidden]))
        filled = graph.add("Greater", lengths, graph.constant(0))  # an empty text's features are zeros
        features = graph.add("Mul", features, graph.unsqueezed(graph.cast(filled, np.float32), 1))
        features = graph.add("Relu", graph.affine(features, *self._layer(graph, "dense")))
        logits = graph.affine(features, *self._layer(graph, "fc"))
        return graph.add("Slice", logits, graph.constant([0]), rows)

    def _with_a_row(self, graph: Graph, ids: str, rows: str) -> str:
        """Return ids with a row of padding where there is none: ONNX Runtime's LSTM reads beyond an empty batch."""
        missing = graph.add("Max", graph.add("Sub", graph.constant([1]), rows), graph.constant([0]))
        ends = graph.add("Concat", graph.constant([0, 0]), missing, graph.constant([0]), axis=0)
        return graph.add("Pad", ids, ends, graph.constant(self.config.pad_id))

    def _layer(self, graph: Graph, name: str) -> tuple[str, str]:
        return graph.weight(self.arrays[f"{name}.kernel"]), graph.weight(self.arrays[f"{name}.bias"])

    def _pooled(self, graph: Graph, tokens: str, lengths: str) -> str:
        """Return the pooled states of both directions, [2, batch, hidden]; ``tokens`` are [length, batch, dim]."""
        steps = graph.cast(graph.add("Max", lengths, graph.constant(1)), np.int32)
        inputs, states = (self._both(graph, f"{kind}_kernel") for kind in ("input", "state"))
        biases = graph.add("Concat", self._both(graph, "input_bias"), self._both(graph, "state_bias"), axis=1)
        every, last = graph.several(
            "LSTM", 2, tokens, inputs, states, biases, steps, hidden_size=self.config.hidden, direction="bidirectional"
        )
        if self.config.states == "last":
            return last
        read = graph.add("Transpose", graph.below(lengths, tokens, 0))
        read = graph.add("Unsqueeze", read, graph.constant([1, 3]))
        states = graph.add("Where", read, every, graph.constant(_LOWEST, np.float32))
        return graph.add("ReduceMax", states, graph.constant([0]), keepdims=0)

    def _both(self, graph: Graph, name: str) -> str:
        """Return both directions' parameters, [2, gates, …], the gates in ONNX's order: i, o, f, g."""
        i, f, g, o = np.split(np.arange(4 * self.config.hidden), 4)
        order = graph.constant(np.concatenate([i, o, f, g]))
        both = []
        for direction in _DIRECTIONS:
            array = graph.add("Transpose", graph.weight(self.arrays[f"{direction}.{name}"]))
            both.append(graph.unsqueezed(graph.add("Gather", array, order, axis=0), 0))
        return graph.add("Concat", *both, axis=0)
