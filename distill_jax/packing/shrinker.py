"""The seam of how a kind of student is made smaller."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from distill_jax.packed.coding import Quantised
from distill_jax.packing.usage import Usage
from distill_jax.students.config import StudentConfig


@dataclasses.dataclass(frozen=True)
class Shrunk:
    """A smaller student.

    Attributes:
        config: its options, which may differ in the width of its table.
        arrays: its parameters by dotted name.
    """

    config: StudentConfig
    arrays: Mapping[str, np.ndarray | Quantised]


class Shrinker(abc.ABC):
    """A student that can be made as small as one likes.

    Attributes:
        levels: how many sizes there are; level 0 is the largest, and each is about a fifth smaller than the one before.
    """

    levels: ClassVar[int]

    @property
    @abc.abstractmethod
    def levels_of_all_words(self) -> int:
        """How many of the first levels keep the words of the tokenizer that no training text has."""

    @classmethod
    @abc.abstractmethod
    def of(cls, config: Any, params: Mapping[str, Any], usage: Usage) -> Self:
        """Prepare a student's parameters.

        Args:
            config: the student.
            params: its parameters, NumPy arrays.
            usage: how often its ids occur.
        """

    @abc.abstractmethod
    def at(self, level: int) -> Shrunk:
        """Return the student of a level."""
