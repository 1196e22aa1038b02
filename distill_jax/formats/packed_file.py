"""The packed file as a way out: read by NumPy alone; ``python -m distill_jax.pack`` writes it, smaller than this."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_jax.formats.format import Format
from distill_jax.inference.predictor import Predictor
from distill_jax.packed.container import is_container
from distill_jax.packed.student import read_packed, whole_student


class PackedFile(Format):
    """``student.djx``."""

    name = "packed file"
    suffix = ".djx"

    def recognises(self, path: Path) -> bool:
        """Return whether a file has the suffix, or begins as a packed one."""
        return path.is_file() and (path.suffix == self.suffix or is_container(path))

    def read(self, path: Path, *, module: Callable[..., Any] | None = None) -> Predictor:
        """Return the student; it needs no module."""
        del module
        return read_packed(path).predictor(f"packed student {path}")

    def write(self, predictor: Predictor, path: Path) -> None:
        """Write the student as it is, at full precision."""
        whole_student(predictor).write(path)
