"""Columns beside a row's text and label: which split it is of, which group, and what it weighs in training."""

import array
import collections
import hashlib
import math
from collections.abc import Mapping

from distill_jax.console import warn
from distill_jax.errors import InputError
from distill_jax.options import option_of
from distill_jax.tables.rows import Row, RowError
from teacher_export.data.labels import PANDAS_MISSING, canonical_label
from teacher_export.data.row_parsers import RowParser
from teacher_export.options.data import DataConfig

TRAIN, TEST, VALIDATION = "train", "test", "validation"
SPLITS = (TRAIN, TEST, VALIDATION)
NO_SPLIT = "missing split"
_HEAVIEST = 1e9
_SPELLINGS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("test", "testing"), TEST),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev", "development"), VALIDATION),
}


class SideColumns:
    """A parser's rows with columns more: a row's split and its group, which say where it belongs, and its weight.

    Args:
        parser: reads all else.
        config: names the columns; one that it does not name is not read.

    Attributes:
        reader: what to read rows with: the parser itself where there is no such column.
        splits: for each row so far its split's place in ``SPLITS``; -1 = none.
        groups: for each row so far a number that the rows of its group have, and no others.
        weights: for each row so far what it weighs in training; of one that is left out it means nothing.
    """

    def __init__(self, parser: RowParser, config: DataConfig) -> None:
        self._parser, self._split, self._group = parser, config.split_column, config.group_column
        self._weight = config.weight_column
        self._first = len(parser.columns)
        named = {option_of(name): getattr(config, name) for name in ("split_column", "group_column", "weight_column")}
        side = {option: column for option, column in named.items() if column is not None}
        seen = list(parser.columns)
        for option, column in side.items():
            if column in seen:
                raise InputError(f"{option} {column}: it is a column of the text, the label or another option too")
            seen.append(column)
        self.columns = tuple(seen)
        self.keeps_unlabelled = parser.keeps_unlabelled
        self.splits, self.groups, self.weights = array.array("b"), array.array("q"), array.array("f")
        self._without_group: collections.Counter[str] = collections.Counter()
        self.reader: RowParser = self if side else parser
        self._was_taken = False  # the parser knows the row already that is refused now

    def label(self, row: Row) -> int | str:
        """Return the parser's code or reason; a row whose split is missing is left out.

        Raises:
            RowError: a cell is of a kind that cannot be used, or names no split, or is no weight.
        """
        place = 0 if self._split is None else self._place(row, row.cells[self._first])
        code = self._parser.label(self._bare(row))
        trains = place >= 0 and SPLITS[place] == TRAIN and not isinstance(code, str)
        weight = 0.0
        if trains and self._weight is not None:
            self._was_taken = True
            weight = self._weight_of(row)
            self._was_taken = False
        self._append(place, row.cells[self._first + (self._split is not None)] if self._group else None, weight)
        return NO_SPLIT if place < 0 and not isinstance(code, str) else code

    def skip(self) -> None:
        """Take in a row that is left out unread."""
        if not self._was_taken:
            self._parser.skip()
        self._was_taken = False
        self._append(-1, None, 0)

    def _append(self, place: int, group: object, weight: float) -> None:
        if self._split is not None:
            self.splits.append(place)
        if self._group is not None:
            self.groups.append(self._number(group))
        if self._weight is not None:
            self.weights.append(weight)

    def _number(self, group: object) -> int:
        """Return a group's number, at least 0; a row without a group is one by itself, of a number below 0."""
        name = _name(group)
        if name in PANDAS_MISSING:
            self._without_group[name] += 1
            name = ""
        if not name:
            return -1 - len(self.groups)
        return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "little") >> 1

    @property
    def bad_codes(self) -> Mapping[int, RowError]:
        """The parser's."""
        return self._parser.bad_codes

    def _place(self, row: Row, value: object) -> int:
        name = str(value).strip() if value is not None else ""
        if not name:
            return -1
        if name.lower() not in _SPELLINGS:
            raise RowError(
                f"{row.where}: column {self._split!r}: expected train, test or validation, got {name[:60]!r}"
            )
        return SPLITS.index(_SPELLINGS[name.lower()])

    def _weight_of(self, row: Row) -> float:
        value = row.cells[-1]
        try:
            weight = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            weight = math.nan
        if not 0 <= weight <= _HEAVIEST:
            raise RowError(
                f"{row.where}: --weight-column {self._weight}: expected a number from 0 to {_HEAVIEST:g}, got "
                f"{'nothing' if value is None else repr(str(value)[:60])}"
            )
        return weight

    def text(self, row: Row) -> str:
        """Return the text of a row that is kept."""
        return self._parser.text(self._bare(row))

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the classes' names and each code's class, and say which cells are taken for rows without a group."""
        if self._without_group:
            counted = ", ".join(f"{name!r} ({rows:,})" for name, rows in sorted(self._without_group.items()))
            warn(
                f"warning: column {self._group!r}: rows with {counted} are taken for rows without a group, each one by "
                "itself; where that is a group, call it otherwise"
            )
        return self._parser.classes()

    def _bare(self, row: Row) -> Row:
        return row._replace(cells=row.cells[: self._first])


def _name(group: object) -> str:
    """Return what a group is called: as labels are, a number by its value; empty where it is missing."""
    try:
        return canonical_label(group) or ""
    except TypeError:  # a date, or another thing that names no class
        return str(group).strip()
