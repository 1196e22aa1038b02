"""A row of a data file, and how messages name its place.

Rows are counted from 1 in messages, the header not counted; a line is the file's own, counted from 1. Blank lines are
no rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from distill_jax.errors import InputError

Wanted = bytes | bytearray | memoryview
"""A byte for each row of a file: 0 = leave it out."""


class RowError(InputError):
    """A row that cannot be used, which ``--on-bad-row skip`` leaves out; the message names its place."""


OnBadRow = Callable[[RowError], object]
"""What a reader calls for a row that it cannot read; where it returns, the row counts and reading goes on."""


def refuse(error: RowError) -> None:
    """Raise the error: no bad row is left out."""
    raise error from None


def ignore(error: RowError) -> None:
    """Do nothing: the row is left out, and was counted before."""


class Row(NamedTuple):
    """A row of a file.

    Attributes:
        path: the file.
        number: the row's number in it, counted from 0.
        line: the line where it begins, counted from 1; None where the format has no lines.
        cells: the values of the columns asked for, in that order; None = missing, and so is an empty text.
    """

    path: Path
    number: int
    line: int | None
    cells: tuple[Any, ...]

    @property
    def where(self) -> str:
        """The row's place, for messages."""
        return place(self.path, self.number, self.line)


def place(path: Path, number: int, line: int | None) -> str:
    """Return how messages name a row; ``number`` is counted from 0, and the header's is -1."""
    row = f"row {number + 1}" if number >= 0 else "header"
    return f"data file {path}: {row}" + ("" if line is None else f" (line {line})")


def is_wanted(wanted: Wanted | None, number: int) -> bool:
    """Whether a row is to be read."""
    return wanted is None or (number < len(wanted) and bool(wanted[number]))


class NameTwiceError(ValueError):
    """A JSON object has a name twice, with different values."""


def names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object of its pairs; Python's reader would take the last of two values without a word.

    Raises:
        NameTwiceError: a name has two values.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if found[name] != value:
                raise NameTwiceError(f"the name {name[:100]!r} twice, with different values")
    return found
