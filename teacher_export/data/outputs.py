"""A teacher's answers in a table's row: columns, an object, or a list of votes → classes and numbers."""

import math
from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.tables.rows import NameTwiceError, Row, RowError
from distill_jax.tables.text_columns import require_unicode
from teacher_export.data.cell_values import parsed_cell
from teacher_export.data.labels import MAX_CLASSES, canonical_label
from teacher_export.data.output_checks import CHECKS, LABEL_PROBABILITIES, NumberKind, refuse

Answer = tuple[Sequence[int], Sequence[float]]
"""The codes of classes, and a number for each of them; a class that is not named is not known."""

_LONGEST_NAME = 1_000  # characters
_NAMES_KEPT = 100_000
_EACH_LABEL = (
    "expected a label's probability, 0 to 1, got none while other labels of the row have one; write 0 for a label that "
    "is certainly not there, or leave the row's others out too"
)
_FORMS = 'an object such as {"pos": 0.9, "neg": 0.1}, or a list of votes such as ["pos", "neg", "pos"]'


class ClassCodes:
    """Gives each class a code as its name comes."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self._of_raw: dict[Any, int] = {}

    def of(self, raws: Collection[Any], where: str, *, once: bool = False) -> list[int]:
        """Return the codes of classes named in an answer; where one cannot be, none gets a code.

        Raises:
            RowError: one is no name, or, with ``once``, there twice.
            InputError: it is one class too many.
        """
        found: Sequence[int | str]
        try:
            found = codes = [self._of_raw[raw] for raw in raws]
        except (KeyError, TypeError):
            found, codes = [self._name(raw, where) for raw in raws], []
        if once and len(set(found)) < len(found):
            raise RowError(f"{where}: expected each class once, got two names of one in {[*raws]}")
        return codes or [self._code(str(name), raw, where) for name, raw in zip(found, raws, strict=True)]

    def _name(self, raw: Any, where: str) -> str:
        try:
            name = canonical_label(raw)
        except TypeError as error:
            raise RowError(f"{where}: expected a class's name, got {error}") from None
        if isinstance(raw, float) and not raw.is_integer():
            raise RowError(f"{where}: expected a class's name, got the number {raw:g}")
        if name is None:
            raise RowError(f"{where}: expected a class's name, got an empty one")
        if len(name) > _LONGEST_NAME:
            raise RowError(
                f"{where}: expected a class's name of at most {_LONGEST_NAME:,} characters, got {len(name):,}"
            )
        return name

    def _code(self, name: str, raw: Any, where: str) -> int:
        code = self.codes.setdefault(name, len(self.codes))
        if code == MAX_CLASSES:
            raise InputError(f"{where}: expected at most {MAX_CLASSES:,} classes in all rows, got more")
        if isinstance(raw, str) and len(self._of_raw) < _NAMES_KEPT:  # True is 1 for a dictionary, and another class
            self._of_raw[raw] = code
        return code


class OutputColumns:
    """The columns of one number a class.

    Args:
        columns: the columns.
        names: each one's class.
        kind: what the numbers are.
    """

    def __init__(self, columns: Sequence[str], names: Sequence[str], kind: NumberKind) -> None:
        self._columns, self._kind = columns, kind
        classes = ClassCodes()
        self._codes = classes.of(names, f"--teacher-outputs {', '.join(names)}")
        self.codes: Mapping[str, int] = classes.codes
        if len(self.codes) < len(names):
            raise InputError(f"--teacher-outputs: expected a column for each class, got two for one: {list(names)}")
        self._is_right = CHECKS[kind]

    def answer(self, row: Row, cells: Sequence[Any]) -> Answer | None:
        """Return a row's answer; None where all its cells are empty.

        Raises:
            InputError: a cell is no number, or the row's numbers cannot be an answer.
        """
        try:
            values = [*map(float, cells)]
        except (TypeError, ValueError, OverflowError):
            return self._with_gaps(row, cells)
        if not self._is_right(values):
            refuse(row, self._columns, values, self._kind)
        return self._codes, values

    def _with_gaps(self, row: Row, cells: Sequence[Any]) -> Answer | None:
        known = [index for index, cell in enumerate(cells) if cell is not None and str(cell).strip()]
        if not known:
            return None
        lacking = next((index for index in range(len(cells)) if index not in known), None)
        if lacking is not None and self._kind == LABEL_PROBABILITIES:
            raise RowError(f"{row.where}: column {self._columns[lacking]!r}: {_EACH_LABEL}")
        columns = [self._columns[index] for index in known]
        values = [_number(cells[index], row, f"column {self._columns[index]!r}") for index in known]
        if not self._is_right(values):
            refuse(row, columns, values, self._kind)
        return [self._codes[index] for index in known], values


class OutputObjects:
    """One column of objects, or of lists of votes; in CSV as JSON, or as Python writes a dictionary or a list.

    Args:
        column: the column.
        kind: what the numbers are.
    """

    def __init__(self, column: str, kind: NumberKind) -> None:
        self._column, self._kind, self._classes = column, kind, ClassCodes()
        self.codes: Mapping[str, int] = self._classes.codes
        self._shapes: dict[tuple[Any, ...], list[int]] = {}
        self._names_kept = 0
        self._is_right = CHECKS[kind]

    def answer(self, row: Row, cells: Sequence[Any]) -> Answer | None:
        """Return a row's answer; None where there is none.

        Raises:
            InputError: the cell is of another form, or its numbers cannot be an answer.
        """
        value = cells[0]
        if isinstance(value, str):
            value = self._parsed(row, value)
        if value is None or (isinstance(value, float) and math.isnan(value)) or value in ([], ()):
            return None
        if isinstance(value, list) and value and all(isinstance(item, tuple) and len(item) == 2 for item in value):
            value = self._of_pairs(row, value)  # a Parquet map
        if isinstance(value, dict):
            return self._object(row, value)
        if isinstance(value, list | tuple):
            return self._votes(row, value)
        raise RowError(f"{self._where(row)}: expected {_FORMS}, got {str(value)[:60]!r}; {self._many()}")

    def _many(self) -> str:
        return "numbers of one class each are given with a column for each class: --teacher-outputs COLUMN COLUMN …"

    def _where(self, row: Row) -> str:
        return f"{row.where}: column {self._column!r}"

    def _parsed(self, row: Row, text: str) -> Any:
        if not text.strip():
            return None
        try:
            return parsed_cell(text)
        except NameTwiceError as error:
            raise RowError(f"{self._where(row)}: expected each class's name once, got {error}") from None
        except ValueError:
            raise RowError(f"{self._where(row)}: expected {_FORMS}, got {text[:60]!r}; {self._many()}") from None

    def _of_pairs(self, row: Row, pairs: Sequence[Any]) -> dict[Any, Any]:
        try:
            found = dict(pairs)
        except TypeError:  # a list for a name
            found = {}
        if len(found) < len(pairs):
            raise RowError(f"{self._where(row)}: expected each class's name once, got {str(pairs)[:60]}")
        return found

    def _object(self, row: Row, value: dict[Any, Any]) -> Answer | None:
        if None in value.values():
            lacking = next(name for name, number in value.items() if number is None)
            value = {name: number for name, number in value.items() if number is not None}
            if value and self._kind == LABEL_PROBABILITIES:
                raise RowError(f"{self._where(row)}: {lacking!r}: {_EACH_LABEL}")
        if not value:
            return None
        try:
            values = [*map(float, value.values())]
        except (TypeError, ValueError, OverflowError):
            values = [_number(number, row, f"column {self._column!r}: {name!r}") for name, number in value.items()]
        if not self._is_right(values):
            refuse(row, [f"{self._column}: {name}" for name in value], values, self._kind)
        try:  # last, so that a row that is refused adds no class
            return self._shapes[tuple(value)], values
        except KeyError:
            return self._new_shape(row, value), values

    def _new_shape(self, row: Row, value: dict[Any, Any]) -> list[int]:
        where = self._where(row)
        for name in value:
            if isinstance(name, str):
                require_unicode(name, row, self._column)
        codes = self._classes.of(value, where, once=True)
        if self._names_kept > _NAMES_KEPT:
            self._shapes.clear()
            self._names_kept = 0
        if all(isinstance(name, str) for name in value):
            self._shapes[tuple(value)] = codes
            self._names_kept += len(codes)
        return codes

    def _votes(self, row: Row, value: Sequence[Any]) -> Answer | None:
        where = self._where(row)
        if self._kind != "votes":
            raise RowError(
                f'{where}: expected an object such as {{"pos": 0.9, "neg": 0.1}}, got a list, {str(value)[:60]}; a '
                "list of votes goes with --outputs-are votes"
            )
        names = [name for name in value if name is not None]
        for name in names:
            if isinstance(name, str):
                require_unicode(name, row, self._column)
        codes = self._classes.of(names, where)
        return (codes, [1.0] * len(codes)) if codes else None


OutputReader = OutputColumns | OutputObjects


class Answers:
    """Rows' answers in the memory of their numbers alone, in the order of their coming."""

    def __init__(self) -> None:
        self._codes, self._values, self._lengths = array("i"), array("d"), array("q")

    def add(self, answer: Answer) -> None:
        """Take in the next row's."""
        codes, values = answer
        self._codes.extend(codes)
        self._values.extend(values)
        self._lengths.append(len(codes))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._lengths)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all rows' codes and numbers, one row after the other, and how many each row has."""
        return np.frombuffer(self._codes, np.intc), np.frombuffer(self._values), np.frombuffer(self._lengths, np.int64)


def _number(cell: Any, row: Row, what: str) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        raise RowError(f"{row.where}: {what}: expected a number, got {str(cell)[:60]!r}") from None
