"""What a form on the disk is asked: whether a path is one, to read it, and to write one."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from distill_jax.inference.predictor import Predictor


class Format(ABC):
    """A form of a trained student on the disk.

    It holds all that predicting needs, which is what a ``Predictor`` has; how the student was trained it does not ask.

    Attributes:
        name: what it is called in messages, such as ``run folder``.
        suffix: what its paths end in, such as ``.npz``; empty for a folder.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Return whether a path, which exists, is of this form, damaged or not."""

    @abstractmethod
    def read(self, path: Path, *, module: Callable[..., Any] | None = None) -> Predictor:
        """Return the student.

        Args:
            path: where it lies.
            module: of a module of one's own, the function that builds it.

        Raises:
            InputError: it is damaged, or not whole.
        """

    @abstractmethod
    def write(self, predictor: Predictor, path: Path) -> None:
        """Write a student, whole or not at all, to a path at which nothing lies.

        Raises:
            InputError: this form cannot hold such a student.
            OSError: the disk is full, ….
        """
