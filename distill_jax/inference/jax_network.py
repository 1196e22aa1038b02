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

    JAX is not touched before it computes: where it must not be, in a forked process, that is what refuses.

    Attributes:
        config: the student.
        params: its parameters, NumPy's.
        max_length: the tokens of a text that it sees.
    """

    uses_all_processors: ClassVar[bool] = True
    config: StudentConfig
    params: Params
    max_length: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it anew, on the device that is then the default."""
        return JaxNetwork, (self.config, self.params, self.max_length)

    @cached_property
    def student(self) -> Student:
        """The student as functions of its parameters."""
        return Student(self.config)

    @cached_property
    def _on_device(self) -> Params:
        return to_device(self.params)

    @property
    def device(self) -> str:
        """JAX's name for the kind of device."""
        return str(jax.devices()[0].device_kind)

    def start(self, tokens: Ragged, batch_size: int) -> Callable[[], np.ndarray]:
        """Start the programs; they run on while nobody waits."""
        return start_logits(self.student, self._on_device, tokens, self.max_length, batch_size, fixed_cuts=True)
