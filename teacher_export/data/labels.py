"""Turn the labels of a table's column into classes: numbers in numeric order, or names in sorted order."""

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import Any

from distill_jax.console import shell_line, warn
from distill_jax.errors import InputError
from distill_jax.tables.rows import Row, RowError
from distill_jax.tables.text_columns import require_unicode

MAX_CLASSES = 1000
UNLABELLED = "-1"
# What programs write for a value that is missing: what pandas.read_csv takes for one (documented under its na_values).
PANDAS_MISSING = frozenset(
    {
        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
        "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip
MISSING_LABELS = PANDAS_MISSING | {UNLABELLED}
_LONGEST_NAME = 1_000  # characters
_NAMES_SHOWN = 20
_MOST_FRACTIONS = 10  # classes of half a star are known; more steps than that are a scale
_NUMBER = re.compile(r"[+-]?(?:\d{1,18}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"(-?[1-9]\d*|0)(?:\.0*)?", re.ASCII)


def canonical_label(value: Any) -> str | None:
    """Return a label's name, surrounding blanks off; None where it is missing.

    A number's name is its value, and so is that of a whole number written as text: ``1``, ``1.0``, ``"1"`` and
    ``"1.0"`` are alike ``"1"``. Other texts stay as they stand: ``"01"``, ``"1e2"`` and ``"1.10"`` may be codes or
    sections.

    Raises:
        TypeError: the value is a list, an object or another thing that names no class.
    """
    if isinstance(value, str):
        name = value.strip()
        whole = _WHOLE.fullmatch(name)
        return whole[1] if whole else name or None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    raise TypeError(type(value).__name__)


def number_of(name: str) -> float | None:
    """Return the number that a name writes; None where it writes none."""
    return float(name) if _NUMBER.fullmatch(name) else None


@dataclasses.dataclass(frozen=True)
class Declared:
    """Classes that a column numbers from 0.

    Attributes:
        names: theirs, in the order of their numbers.
        missing: what means that a row has no label.
    """

    names: tuple[str, ...]
    missing: frozenset[str]
    _readings: set[str] = dataclasses.field(default_factory=set, repr=False, compare=False)

    def _require_one_reading(self, name: str, row: Row, column: str) -> None:
        """Refuse texts of a column that holds numbers, where names are numbers too, and one that may hold either."""
        is_name, is_number = name in self.names, int(name) < len(self.names)
        self._readings.add("either" if is_name and is_number else "name" if is_name else "number")
        if self._are_permuted or ("number" in self._readings and len(self._readings) > 1):
            raise RowError(
                f"{row.where}: column {column!r}: the class names {', '.join(self.names[:_NAMES_SHOWN])} are numbers "
                f"themselves, and {name[:60]!r} may be a name or a number from 0 on; where the column holds names, "
                "leave --class-names out; where it holds numbers, give names such as 'class 1'"
            )

    @cached_property
    def _are_ambiguous(self) -> bool:
        """Whether a name is the number of another class."""
        numbers = {str(number): name for number, name in enumerate(self.names)}
        return any(numbers.get(name, name) != name for name in self.names)

    @cached_property
    def _are_permuted(self) -> bool:
        """Whether the names are all numbers, in one order or another: no text tells then what a column holds."""
        return sorted(self.names) == sorted(map(str, range(len(self.names))))

    def name_of(self, value: Any, name: str, row: Row, column: str) -> str:
        """Return the class that a label means; a text may be its name, or its number as a number is.

        Args:
            value: the label as it stands.
            name: its canonical name.
            row: its row.
            column: its column, for messages.

        Raises:
            RowError: it is none of the classes, or one's name and another's number while the column's other texts do
                not tell which; what means that there is no label stays.
        """
        if isinstance(value, str) and self._are_ambiguous and _is_number(name):
            self._require_one_reading(name, row, column)
        if name in self.missing or (isinstance(value, str) and name in self.names):
            return name
        if _is_number(name) and int(name) < len(self.names):
            return self.names[int(name)]
        raise RowError(
            f"{row.where}: column {column!r}: expected one of the {len(self.names)} classes "
            f"{', '.join(map(repr, self.names[:_NAMES_SHOWN]))}, or its number from 0 on, got {name[:60]!r}"
        )


def answered_classes(found: Sequence[str], declared: Sequence[str]) -> tuple[str, ...]:
    """Return the class that each name of a teacher's answers means: a declared one, by its name or its number.

    Args:
        found: the names, each once.
        declared: the classes' names in the order of their numbers; none = the names are the classes.

    Raises:
        InputError: some are neither, or all may be either and would not mean the same.
    """
    if not declared:
        return tuple(found)
    numbered = {str(number): name for number, name in enumerate(declared)}
    are_names, are_numbers = set(found) <= set(declared), set(found) <= set(numbered)
    shown = ", ".join(map(repr, declared[:_NAMES_SHOWN]))
    if not are_names and not are_numbers:
        other = next((name for name in found if name not in declared and name not in numbered), found[0])
        raise InputError(
            f"--teacher-outputs: expected answers called by the classes {shown} (--class-names, or the data set's own) "
            f"or all by their numbers from 0 on, got {other[:60]!r}"
        )
    if are_names and are_numbers and any(numbered[name] != name for name in found):
        raise InputError(
            f"--teacher-outputs: the class names {shown} are numbers themselves, and what the answers are called may "
            "be names or numbers from 0 on; where it is names, leave --class-names out; where it is numbers, give "
            "names such as 'class 1'"
        )
    return tuple(found) if are_names else tuple(numbered[name] for name in found)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= len(str(MAX_CLASSES))


def missing_labels(kept: Iterable[str]) -> frozenset[str]:
    """Return the names that mean that a row has no label, but for classes that are called so, in any case."""
    folded = {name.casefold() for name in kept}
    return frozenset(name for name in MISSING_LABELS if name.casefold() not in folded)


@dataclasses.dataclass
class _Found:
    """One name of a column: its code, how many rows have it, and the first of them."""

    code: int
    first: Row
    rows: int = 0


class LabelColumn:
    """Gives each row a preliminary code as its label comes; what the classes are is known at the end.

    Args:
        name: the column's name, for messages.
        kept: names that are classes although they look like missing labels.
        skips: whether rows of labels that turn out to be none are left out, where they are an error otherwise.
        declared: the names of classes that the column numbers from 0; none = labels are as they stand.

    Attributes:
        column: the column's name.
        bad_codes: of such labels, once the classes are known, by their code; the first row's error stands for all.
    """

    def __init__(
        self, name: str, kept: Iterable[str] = (), *, skips: bool = False, declared: Sequence[str] = ()
    ) -> None:
        self.column = name
        self._found: dict[str, _Found] = {}
        self._missing, self._skips = missing_labels((*kept, *declared)), skips
        self._declared = Declared(tuple(declared), self._missing)
        self.bad_codes: dict[int, RowError] = {}

    def code(self, row: Row) -> int | None:
        """Return the code of a row whose first cell is its label, None where the label is missing.

        Raises:
            InputError: what ``name`` and ``code_of`` raise.
        """
        return self.code_of(self.name(row), row)

    def name(self, row: Row) -> str | None:
        """Return the name in a row's first cell, None where there is none.

        Raises:
            RowError: the value names no class.
        """
        try:
            name = canonical_label(row.cells[0])
        except TypeError as error:
            raise RowError(
                f"{row.where}: column {self.column!r}: expected a label (a number or a name), got {error}; several "
                "labels a row are learnt with --task multi-label"
            ) from None
        if name is not None and self._declared.names:
            name = self._declared.name_of(row.cells[0], name, row, self.column)
        if name is None or name in self._found:
            return name
        require_unicode(name, row, self.column)
        if len(name) > _LONGEST_NAME:
            raise RowError(
                f"{row.where}: column {self.column!r}: expected a label of at most {_LONGEST_NAME:,} characters, "
                f"got {len(name):,}; name the label's column with --label-column"
            )
        return name

    def code_of(self, name: str | None, row: Row) -> int | None:
        """Take in a row of that name, and return its code.

        Raises:
            InputError: it is one class too many.
        """
        if name is None:
            return None
        found = self._found.get(name)
        if found is None:
            if name not in self._missing and len(self._found.keys() - self._missing) == MAX_CLASSES:
                raise InputError(
                    f"{row.where}: column {self.column!r} does not look like classes: it has more than "
                    f"{MAX_CLASSES:,} different values; name the label's column with --label-column; numbers of a "
                    "scale are learnt with --task score"
                )
            found = self._found[name] = _Found(len(self._found), row._replace(cells=row.cells[:1]))
        found.rows += 1
        return found.code

    def classes(self) -> tuple[tuple[str, ...], list[int]]:
        """Return the classes' names and, for each code, its class; -1 = no label, and it is said which names mean that.

        Raises:
            InputError: one label is no number while most rows' are, and bad rows are not left out.
        """
        labelled = {name: found for name, found in self._found.items() if name not in self._missing}
        self._warn_of_missing(set(self._found) - set(labelled))
        names = self._names(labelled)
        index = {name: class_ for class_, name in enumerate(names)}
        return names, [index.get(name, -1) for name in self._found]  # dictionaries keep the order of codes

    def _names(self, labelled: dict[str, _Found]) -> tuple[str, ...]:
        """Return the classes' names in their order: that of their numbers where these are known."""
        if self._declared.names:
            return tuple(name for name in self._declared.names if name in labelled)
        others = [found for name, found in labelled.items() if not _NUMBER.fullmatch(name)]
        number_rows = sum(found.rows for found in labelled.values()) - sum(found.rows for found in others)
        if others and number_rows > sum(found.rows for found in others):
            for found in others:
                first = found.first
                self._refuse(
                    found,
                    f"{first.where}: column {self.column!r}: expected a number, as in {number_rows:,} other rows, "
                    f"got {str(first.cells[0])[:60]!r}",
                )
            labelled, others = {name: found for name, found in labelled.items() if _NUMBER.fullmatch(name)}, []
        names = in_order(labelled)
        fractions = [name for name in names if not others and not float(name).is_integer()]
        if len(fractions) > _MOST_FRACTIONS:
            raise InputError(
                f"column {self.column!r} does not look like classes: {len(fractions):,} of its {len(names):,} "
                f"different values are no whole numbers, as {', '.join(fractions[:3])}; scores are learnt with "
                "--task score"
            )
        return names

    def classes_among(self, names: Sequence[str]) -> list[int]:
        """Return each code's place among classes that are known already; -1 = no label, and it is said of which names.

        Raises:
            InputError: a label is none of them, and bad rows are not left out.
        """
        index = {**dict.fromkeys(self._missing, -1), **{name: place for place, name in enumerate(names)}}
        self._warn_of_missing({name for name in self._found if index.get(name) == -1})
        for name, found in self._found.items():
            if name not in index:
                self._refuse(
                    found,
                    f"{found.first.where}: column {self.column!r}: the label {name[:60]!r} is none of the classes of "
                    f"--teacher-outputs, {', '.join(map(repr, names[:_NAMES_SHOWN]))}"
                    f"{' and more' if len(names) > _NAMES_SHOWN else ''}; name the class of a column with CLASS=COLUMN",
                )
        return [index.get(name, -1) for name in self._found]

    def _refuse(self, found: _Found, message: str) -> None:
        error = RowError(message)
        if not self._skips:
            raise error
        self.bad_codes[found.code] = error

    def _warn_of_missing(self, names: Collection[str]) -> None:
        if names:
            counted = ", ".join(f"{name!r} ({self._found[name].rows:,})" for name in sorted(names))
            warn(
                f"warning: column {self.column!r}: cells with {counted} are taken for missing labels; where that is a "
                f"class, say so: {shell_line(['--keep-labels', *sorted(names)])}"
            )


def in_order(names: Iterable[str], declared: Sequence[str] = ()) -> tuple[str, ...]:
    """Return classes' names in their order.

    It is that of the declared ones, if all are declared; else numbers are in the order of what they are, if all are
    numbers; else that of their letters.
    """
    names = list(names)
    if set(names) <= set(declared):
        return tuple(sorted(names, key=declared.index))
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (float(name), name)))
    return tuple(sorted(names))
