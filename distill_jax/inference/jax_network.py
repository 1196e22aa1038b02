"""A student computed by JAX, on its default device."""

import dataclasses
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

import jax
import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.inference.logits import start_logits
from distill_jax.inference.network import Network
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params
from distill_jax.students.student import Student, to_device


@dataclasses.dataclass(frozen=True)
class JaxNetwork(Network):
    """A student's programs with its parameters.

    Attributes:
        config: the student.
        params: its parameters, on the device.
        max_length: the tokens of a text that it sees.
    """

    uses_all_processors: ClassVar[bool] = True
    config: StudentConfig
    params: Params
    max_length: int

    @classmethod
    def of(cls, config: StudentConfig, params: Params, max_length: int) -> "JaxNetwork":
        """Return the network of parameters that may be NumPy's."""
        return cls(config, to_device(params), max_length)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it anew, on the device that is then the default."""
        return JaxNetwork.of, (self.config, jax.tree.map(np.asarray, self.params), self.max_length)

    @cached_property
    def student(self) -> Student:
        """The student as functions of its parameters."""
        return Student(self.config)

    @property
    def device(self) -> str:
        """JAX's name for the kind of device."""
        return str(jax.devices()[0].device_kind)

    def start(self, tokens: Ragged, batch_size: int) -> Callable[[], np.ndarray]:
        """Start the programs; they run on while nobody waits."""
        return start_logits(self.student, self.params, tokens, self.max_length, batch_size, fixed_cuts=True)
