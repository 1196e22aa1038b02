"""The seam of a student's graph: from token ids to what its network computes."""

import abc
from typing import ClassVar, Generic, TypeVar

from distill_jax.conversion.onnx.graph import Graph
from distill_jax.packed.student import PackedStudent
from distill_jax.students.config import StudentConfig

Config = TypeVar("Config", bound=StudentConfig)


class OnnxNetwork(abc.ABC, Generic[Config]):
    """A kind of student as nodes.

    Args:
        config: the student.
        packed: its parameters.
    """

    opset: ClassVar[int] = 18

    def __init__(self, config: Config, packed: PackedStudent) -> None:
        self.config, self.arrays, self.max_length = config, packed.arrays, packed.max_length

    @abc.abstractmethod
    def logits(self, graph: Graph, ids: str) -> str:
        """Add the network; return what it computes, float32 [batch, classes].

        Args:
            graph: the graph.
            ids: int64 [batch, length], padding behind each text; either may be 0.
        """
