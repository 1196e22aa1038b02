"""The seam of what a packed student becomes: a form has a file of its own, and nobody else asks which it is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from distill_jax.errors import InputError
from distill_jax.extras import require_extra
from distill_jax.files import atomic_folder, atomic_write, real_place, require_free
from distill_jax.locks import sole_writer
from distill_jax.packed.student import PackedStudent


class Converter(ABC):
    """A form that a packed student can be written in.

    Attributes:
        name: what ``--to`` calls it.
        suffix: what its file ends in, such as ``.html``; empty where it is a folder.
        extra: the extra that making it needs; None = none.
        most_bytes: the largest that is of use; None = any.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    extra: ClassVar[str | None] = None
    most_bytes: ClassVar[int | None] = None

    @abstractmethod
    def files(self, student: PackedStudent) -> Mapping[str, bytes]:
        """Return the contents by file name: one, of any name, where the form is a file.

        Raises:
            InputError: this form cannot hold such a student.
        """

    def write(self, student: PackedStudent, path: Path, *, of_any_size: bool = False) -> int:
        """Write a student, whole or not at all, to a path at which nothing lies; return the bytes.

        Args:
            student: the student.
            path: the file, or the folder.
            of_any_size: be it larger than ``most_bytes``.

        Raises:
            MissingExtraError: what makes it is not installed.
            InputError: this form cannot hold such a student, something lies there, or it would be too large.
            OSError: the disk is full, ….
        """
        if self.extra is not None:
            require_extra(self.extra, f"--to {self.name}")
        path = real_place(path, self.name)
        require_free(path, self.name)
        files = self.files(student)
        size = sum(map(len, files.values()))
        if self.most_bytes is not None and size > self.most_bytes and not of_any_size:
            packed = len(student.to_bytes()) * self.most_bytes // size
            raise InputError(
                f"{self.name} {path}: expected at most {self.most_bytes:,} bytes, got {size:,}; make a smaller packed "
                f"file (python -m distill_jax.pack RUN --max-bytes {packed}), or write it all the same (--force)"
            )
        with sole_writer(path, self.name):
            require_free(path, self.name)
            self._write(files, path)
        return size

    def _write(self, files: Mapping[str, bytes], path: Path) -> None:
        if self.suffix:
            (content,) = files.values()
            with atomic_write(path) as stream:
                stream.write(content)
            return
        with atomic_folder(path) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
