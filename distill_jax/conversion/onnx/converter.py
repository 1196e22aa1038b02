"""A student as a folder with ``model.onnx`` and the tokenizer that makes its token ids."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from distill_jax.conversion.about import about
from distill_jax.conversion.converter import Converter
from distill_jax.conversion.onnx.graph import Graph
from distill_jax.conversion.onnx.network import OnnxNetwork
from distill_jax.conversion.padding_tokenizer import TOKENIZER, padding_tokenizer
from distill_jax.errors import InputError
from distill_jax.packed.student import PackedStudent
from distill_jax.tasks import AS_THEY_ARE
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import onnx

MODEL = "model.onnx"
_IR_VERSION = 9  # what runtimes from 2023 on read


class Onnx(Converter):
    """``model.onnx`` and ``tokenizer.json``."""

    name: ClassVar[str] = "onnx"
    suffix: ClassVar[str] = ""
    extra: ClassVar[str | None] = "onnx"

    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the model, checked, and its tokenizer."""
        tokenizer = padding_tokenizer(student)
        return {MODEL: onnx_model(student).SerializeToString(deterministic=True), TOKENIZER: tokenizer.encode()}


def onnx_model(student: PackedStudent) -> "onnx.ModelProto":
    """Return the model: inputs ``input_ids`` and ``lengths``, outputs ``logits`` and ``probabilities``.

    Raises:
        InputError: the student has no graph.
    """
    import onnx
    from onnx import TensorProto
    from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info

    config = student.config
    network = config.onnx_network()
    if network is None:
        raise InputError(f"--to onnx: a student {config.name} of these options has no graph; expected another student")
    graph, task = Graph(), config.labelling.decided(dict(student.decision), len(student.label_names))
    _add_outputs(graph, network(config, student), task)
    inputs = {"input_ids": ["batch", "length"], "lengths": ["batch"]}
    outputs = ["logits", *(["probabilities"] if task.link else [])]
    made = make_graph(
        graph.nodes,
        config.name,
        [make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in inputs.items()],
        [make_tensor_value_info(name, TensorProto.FLOAT, ["batch", config.num_labels]) for name in outputs],
        graph.constants,
    )
    model = make_model(
        made,
        opset_imports=[make_opsetid("", OnnxNetwork.opset)],
        ir_version=_IR_VERSION,
        producer_name="distill-jax",
    )
    onnx.helper.set_model_props(model, {name: _text(value) for name, value in about(student).items()})
    onnx.checker.check_model(model, full_check=True)
    return model


def _add_outputs(graph: Graph, network: "OnnxNetwork[Any]", task: Task) -> None:
    config = network.config
    inside = graph.below("lengths", "input_ids", 1)
    logits = network.logits(graph, graph.add("Where", inside, "input_ids", graph.constant(config.pad_id)))
    if config.standardisation != AS_THEY_ARE:
        mean, deviation = (graph.constant(value, np.float32) for value in config.standardisation)
        logits = graph.add("Add", graph.add("Mul", logits, deviation), mean)
    graph.named("logits", logits)
    if task.link == "softmax":
        divided = graph.add("Div", logits, graph.constant(task.temperature or 1.0, np.float32))
        graph.named("probabilities", graph.add("Softmax", divided, axis=1))
    elif task.link == "sigmoid":
        graph.named("probabilities", graph.add("Sigmoid", logits))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
