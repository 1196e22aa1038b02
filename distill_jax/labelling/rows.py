"""Rows of a table as they stand in their file, and as the files that are written need them.

Each of the three kinds of rows, of separated fields, of JSON and of Parquet, can be written as any of the three; as its
own kind it is written as it stands: texts letter for letter, JSON byte for byte, Parquet's columns with their types.
"""

import base64
import dataclasses
import datetime as dt
import json
import math
from collections.abc import Iterator
from typing import Any, Protocol

from distill_jax.errors import InputError
from distill_jax.tables.parquet import import_pyarrow


class Rows(Protocol):
    """Some rows of a table."""

    def __len__(self) -> int:
        """Return how many there are."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""

    def fields(self) -> list[list[str]]:
        """Return each row's fields, in the columns' order."""

    def objects(self) -> list[str]:
        """Return each row as a JSON object on one line."""

    def arrow(self) -> Any:
        """Return them as a ``pyarrow.Table``."""


@dataclasses.dataclass(frozen=True)
class FieldRows:
    """Rows of CSV or TSV.

    Attributes:
        header: the columns' names.
        rows: each row's fields.
    """

    header: tuple[str, ...]
    rows: list[list[str]]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The header."""
        return self.header

    def fields(self) -> list[list[str]]:
        """Return the fields as they stand."""
        return self.rows

    def objects(self) -> list[str]:
        """Return objects whose values are texts: what they mean, no such file says."""
        return [_json(dict(zip(self.header, row, strict=True))) for row in self.rows]

    def arrow(self) -> Any:
        """Return columns of texts."""
        pa, _ = import_pyarrow()
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.header)
        return pa.table([pa.array(column, pa.string()) for column in columns], names=list(self.header))


@dataclasses.dataclass(frozen=True)
class ObjectRows:
    """Rows of JSON.

    Attributes:
        texts: each row's object, on one line.
        columns: the names that objects of the file have, and the type of each one's values as Arrow calls it, where
            the rows are to be columns.
    """

    texts: list[str]
    columns: tuple[tuple[str, str], ...] = ()

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.texts)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that objects have."""
        return tuple(name for name, _ in self.columns)

    def fields(self) -> list[list[str]]:
        """Return values as texts, an object or a list as JSON."""
        names = self.names
        return [[_field(value.get(name)) for name in names] for value in map(json.loads, self.texts)]

    def objects(self) -> list[str]:
        """Return the objects as they stand."""
        return self.texts

    def arrow(self) -> Any:
        """Return a column for each name; null where an object has none of it."""
        pa, _ = import_pyarrow()
        values = [json.loads(text) for text in self.texts]
        arrays = [_array([value.get(name) for value in values], kind) for name, kind in self.columns]
        return pa.table(arrays, names=list(self.names))


def _array(values: list[Any], kind: str) -> Any:
    pa, _ = import_pyarrow()
    if kind == "string":
        return pa.array([None if value is None else _field(value) for value in values], pa.string())
    return pa.array(values, pa.type_for_alias(kind))


@dataclasses.dataclass(frozen=True)
class ArrowRows:
    """Rows of Parquet.

    Attributes:
        table: a ``pyarrow.Table``.
    """

    table: Any

    def __len__(self) -> int:
        """Return how many rows there are."""
        return int(self.table.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The table's."""
        return tuple(self.table.column_names)

    def fields(self) -> list[list[str]]:
        """Return values as texts, a struct or a list as JSON."""
        columns = [list(map(_field, values)) for values in self._columns()]
        return list(map(list, zip(*columns, strict=True)))

    def objects(self) -> list[str]:
        """Return objects; null for NaN, which is no JSON."""
        names = self.table.column_names
        return [_json(dict(zip(names, row, strict=True))) for row in zip(*self._columns(), strict=True)]

    def arrow(self) -> Any:
        """Return the table as it is."""
        return self.table

    def _columns(self) -> Iterator[list[Any]]:
        """Yield each column's values, by their places: a file may have a name several times."""
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            yield _values(name, column)


def _values(name: str, column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError) as error:  # not UTF-8; or a date or a duration beyond Python's
        raise InputError(
            f"column {name!r}: expected values that can be written as text ({error}); write Parquet"
        ) from None


def _field(value: Any) -> str:
    """Return a value as a field of a separated file: nothing for None."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # which JSON has no word for, and an empty field would be none
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else _json(plain)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: dates in ISO 8601, bytes in base 64, null for what is no finite number."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if value is None or isinstance(value, str | int) else str(value)
