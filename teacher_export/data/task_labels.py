"""Labels that are no class: a score of a column, or any number of labels of a list, a separated text or 0/1 columns."""

import array
import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from distill_jax.errors import InputError
from distill_jax.tables.rows import Row, RowError
from distill_jax.tables.text_columns import require_unicode
from distill_jax.tasks.float32_scores import as_scores
from teacher_export.data.cell_values import parsed_cell
from teacher_export.data.labels import (
    MAX_CLASSES,
    PANDAS_MISSING,
    UNLABELLED,
    Declared,
    canonical_label,
    in_order,
    missing_labels,
)

MISSING = frozenset({"", *map(str.lower, PANDAS_MISSING)})
_YES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_LONGEST_NAME = 1_000  # characters
MOST_CELLS = 1 << 28  # a byte each, of which there are three copies for a while


class TaskLabels(Protocol):
    """The labels of all rows of a table, each taken in as its row comes."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Where they stand."""

    def read(self, row: Row, cells: Sequence[Any]) -> Any:
        """Return a row's label, of its cells, or None.

        Raises:
            RowError: the cells hold something else.
        """

    def add(self, label: Any) -> None:
        """Take in the next row's label, or None."""

    def names(self) -> tuple[str, ...]:
        """Return the labels' names, once all rows have been seen."""

    def of(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return the labels of some of the rows, as the task has them; a row without one is unlabelled."""


class ScoreLabels:
    """A column of numbers; an empty cell, NaN and the like are no score."""

    def __init__(self, column: str) -> None:
        self.columns = (column,)
        self._scores = array.array("d")

    def read(self, row: Row, cells: Sequence[Any]) -> float | None:
        """Return a row's score.

        Raises:
            RowError: the cell is no number, or an infinite one.
        """
        score = score_of(cells[0], row, self.columns[0])
        return None if math.isnan(score) else score

    def add(self, label: float | None) -> None:
        """Take in a row's score."""
        self._scores.append(math.nan if label is None else label)

    def names(self) -> tuple[str, ...]:
        """Return the column's name: it is the one thing that is scored."""
        return self.columns

    def of(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return scores, float32 [rows]; NaN = none."""
        del names
        return as_scores(np.frombuffer(self._scores)[rows], f"column {self.columns[0]!r}")


def score_of(cell: Any, row: Row, column: str) -> float:
    """Return a cell's number; NaN where there is none.

    Raises:
        InputError: it is no number, or one that float32 cannot hold.
    """
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return math.nan
    try:
        score = math.inf if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        score = math.inf
    if math.isnan(score) or abs(score) <= float(np.finfo(np.float32).max):
        return score
    raise RowError(f"{row.where}: column {column!r}: expected a finite number (--task score), got {str(cell)[:60]!r}")


class _Indices:
    """Rows of codes, in the memory of the codes alone."""

    def __init__(self) -> None:
        self._codes, self._lengths = array.array("i"), array.array("q")

    def add(self, codes: Sequence[int] | None) -> None:
        self._codes.extend(codes or ())
        self._lengths.append(-1 if codes is None else len(codes))

    def dense(self, rows: np.ndarray, place: Sequence[int], labels: int) -> np.ndarray:
        """Return 0 and 1, int8 [rows, labels], or −1 for a row without labels; ``place`` is each code's.

        Raises:
            InputError: they are too many for the memory; rows that name few of many labels are small.
        """
        if len(rows) * labels > MOST_CELLS:
            raise InputError(
                f"--task multi-label: expected at most {MOST_CELLS:,} cells, rows times labels, got {len(rows):,} rows "
                f"of {labels:,} labels; keep fewer rows (--max-rows {MOST_CELLS // labels})"
            )
        lengths = np.frombuffer(self._lengths, np.int64)
        counts = np.maximum(lengths, 0)
        starts = np.cumsum(counts) - counts
        found = np.zeros((len(rows), labels), np.int8)
        found[lengths[rows] < 0] = -1
        codes = np.array([*place, 0], np.int64)[np.frombuffer(self._codes, np.intc)]
        for index, row in enumerate(rows.tolist()):
            found[index, codes[starts[row] : starts[row] + counts[row]]] = 1
        return found


class TagLabels:
    """A column of labels: a list, or a text that a separator divides.

    Args:
        column: the column.
        separator: what stands between two labels of a text; None = the cells are lists.
        kept: names that are labels although they look like missing ones.
        declared: the names of labels that the column numbers from 0; none = labels are as they stand.
    """

    def __init__(
        self, column: str, separator: str | None, kept: Iterable[str] = (), declared: Sequence[str] = ()
    ) -> None:
        self.columns, self._separator = (column,), separator
        self._missing = missing_labels((*kept, *declared, UNLABELLED))
        self._declared = Declared(tuple(declared), self._missing)
        self._found: dict[str, int] = {}
        self._rows = _Indices()

    def read(self, row: Row, cells: Sequence[Any]) -> list[str] | None:
        """Return a row's labels; an empty list or text is none of them, a missing cell no label.

        Raises:
            RowError: the cell is no list, or holds something that is no name.
        """
        values = self._values(row, cells[0])
        return None if values is None else [self._name(value, row) for value in values]

    def add(self, label: Sequence[str] | None) -> None:
        """Take in a row's labels.

        Raises:
            InputError: there are too many in all.
        """
        self._rows.add(None if label is None else sorted({self._code(name) for name in label}))

    def _values(self, row: Row, cell: Any) -> Sequence[Any] | None:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        if isinstance(cell, str) and (cell.strip() in self._missing or (self._separator is None and not cell.strip())):
            return None
        if self._separator is not None and isinstance(cell, str):
            return [part for part in cell.split(self._separator) if part.strip()]
        value = cell
        if isinstance(cell, str):
            with contextlib.suppress(ValueError):
                value = parsed_cell(cell)
        if isinstance(value, list | tuple):
            return value
        raise RowError(
            f"{row.where}: column {self.columns[0]!r}: expected a list of labels (--task multi-label), got "
            f"{str(cell)[:60]!r}; labels in a text are divided with --label-separator"
        )

    def _name(self, value: Any, row: Row) -> str:
        try:
            name = canonical_label(value)
        except TypeError as error:
            name, value = None, error
        if name is None or name in self._missing or len(name) > _LONGEST_NAME:
            kept = f"; where that is a label, give --keep-labels {name}" if name in self._missing else ""
            raise RowError(
                f"{row.where}: column {self.columns[0]!r}: expected a label's name, got {str(value)[:60]!r}{kept}"
            )
        require_unicode(name, row, self.columns[0])
        return self._declared.name_of(value, name, row, self.columns[0]) if self._declared.names else name

    def _code(self, name: str) -> int:
        if name not in self._found and len(self._found) == MAX_CLASSES:
            raise InputError(
                f"column {self.columns[0]!r}: expected at most {MAX_CLASSES:,} labels in all rows, got more"
            )
        return self._found.setdefault(name, len(self._found))

    def names(self) -> tuple[str, ...]:
        """Return the labels that occur, in order; all of those whose numbers are known, in theirs."""
        if not self._found:
            raise InputError(f"column {self.columns[0]!r}: expected labels, got none in any row")
        return self._declared.names or in_order(self._found)

    def of(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return 0 and 1, int8 [rows, labels]; −1 for a row without labels.

        Raises:
            InputError: a label is none of the names.
        """
        index = {name: place for place, name in enumerate(names)}
        other = next((name for name in self._found if name not in index), None)
        if other is not None:
            raise InputError(
                f"column {self.columns[0]!r}: the label {other[:60]!r} is none of those of --teacher-outputs, "
                f"{', '.join(map(repr, names[:20]))}"
            )
        return self._rows.dense(rows, [index[name] for name in self._found], len(names))


class IndicatorLabels:
    """A column for each label, with 0 or 1 in it."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        if len(set(columns)) < len(columns):
            raise InputError(f"--label-columns: expected different columns, got {', '.join(columns)}")
        self._rows = _Indices()

    def read(self, row: Row, cells: Sequence[Any]) -> list[int] | None:
        """Return the places of a row's labels; where every cell is empty it has none.

        Raises:
            RowError: a cell is not 0 or 1, or empty beside others that are not.
        """
        texts = ["" if cell is None else str(cell).strip().lower() for cell in cells]
        if all(text in MISSING for text in texts):
            return None
        for text, column in zip(texts, self.columns, strict=True):
            if text not in _YES:
                raise RowError(f"{row.where}: column {column!r}: expected 0 or 1 (--label-columns), got {text[:60]!r}")
        return [place for place, text in enumerate(texts) if _YES[text]]

    def add(self, label: Sequence[int] | None) -> None:
        """Take in a row's labels."""
        self._rows.add(label)

    def names(self) -> tuple[str, ...]:
        """Return the columns' names."""
        return self.columns

    def of(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Return 0 and 1, int8 [rows, labels]; −1 for a row without labels."""
        index = {name: place for place, name in enumerate(names)}
        other = next((name for name in self.columns if name not in index), None)
        if other is not None or len(names) != len(self.columns):
            raise InputError(
                f"--label-columns: expected the labels of --teacher-outputs, {', '.join(map(repr, names[:20]))}, got "
                f"{', '.join(map(repr, self.columns[:20]))}"
            )
        return self._rows.dense(rows, [index[name] for name in self.columns], len(names))
