"""Tables as they are read for labelling: in blocks of rows as they stand, and their texts beside them.

What a block is depends on the file alone, so that whoever answers it, and whenever, gives the same.
"""

import contextlib
import dataclasses
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

from distill_jax.errors import InputError
from distill_jax.labelling.rows import ArrowRows, FieldRows, ObjectRows, Rows
from distill_jax.tables.byte_streams import OnBytes
from distill_jax.tables.delimited import Dialect, Record, header_and_records, lines_of, picked, whole_records
from distill_jax.tables.json_rows import json_objects
from distill_jax.tables.parquet import (
    import_pyarrow,
    parquet_batches,
    parquet_columns,
    parquet_schema,
    plain_texts,
    rows_of_batch,
)
from distill_jax.tables.paths import values_at
from distill_jax.tables.reading import TableFormat, column_names, require_columns
from distill_jax.tables.rows import Row, place
from distill_jax.tables.sources import open_data
from distill_jax.tables.text_columns import TextColumns, joined

BLOCK_ROWS = 16_384
BLOCK_CHARACTERS = 1 << 23
_LINE_ENDS = str.maketrans("\r\n", "  ")  # in JSON they are white space
_MOST_NAMES = 10_000
_LARGEST = 1 << 63  # Arrow's whole numbers are below
_LARGEST_EXACT = 1 << 53  # of the whole numbers that a fraction holds


@dataclasses.dataclass(frozen=True)
class Block:
    """Rows that follow each other.

    Attributes:
        rows: as they stand.
        texts: what the student is asked about; None = a row has no text.
    """

    rows: Rows
    texts: list[str | None]


class InputTable(Protocol):
    """A table that is labelled."""

    def none(self) -> Rows:
        """Return none of its rows: what columns there are."""

    def blocks(self, on_bytes: OnBytes | None = None) -> Iterator[Block]:
        """Yield its rows in order; ``on_bytes`` is told of every byte read."""


def open_table(
    path: Path,
    file_format: TableFormat,
    text_columns: tuple[str, ...],
    appended: Collection[str],
    *,
    needs_columns: bool,
) -> InputTable:
    """Open a table that is to be labelled.

    Args:
        path: the file.
        file_format: how it is written.
        text_columns: those of the text.
        appended: the names of the columns that come to it.
        needs_columns: whether it is written as columns: objects are then looked through for their names first.

    Raises:
        InputError: it lacks a column of the text, or has one of a name that comes to it; or it cannot be read.
    """
    if file_format == "json":
        return _JsonTable(path, text_columns, appended, _columns_of_objects(path) if needs_columns else ())
    if file_format == "parquet":
        return _ParquetTable(path, text_columns, appended)
    if isinstance(file_format, Dialect):
        return _DelimitedTable(path, file_format, text_columns, appended)
    raise InputError(
        f"data file {path}: expected CSV, TSV, JSON or Parquet, got a file of lines; leave --text-column out"
    )


def require_free_names(path: Path, columns: Collection[str], appended: Collection[str], where: str = "") -> None:
    """Raise ``InputError`` where a table has a column of a name that comes to it; ``where`` names a row."""
    taken = [name for name in appended if name in columns]
    if taken:
        raise InputError(
            f"{where or f'data file {path}'}: it has a column {taken[0]!r} already; name the answers otherwise, with "
            "--prefix predicted_"
        )


def _cut(rows: Iterator[tuple[Any, str | None, int]]) -> Iterator[tuple[list[Any], list[str | None]]]:
    """Yield rows and their texts, a block at a time, of rows with their text and size in characters."""
    block: list[Any] = []
    texts: list[str | None] = []
    left = BLOCK_CHARACTERS
    for row, text, size in rows:
        block.append(row)
        texts.append(text)
        left -= size
        if len(block) == BLOCK_ROWS or left <= 0:
            yield block, texts
            block, texts, left = [], [], BLOCK_CHARACTERS
    if block:
        yield block, texts


class _DelimitedTable:
    def __init__(self, path: Path, dialect: Dialect, text_columns: tuple[str, ...], appended: Collection[str]) -> None:
        self._path, self._dialect, self._names = path, dialect, text_columns
        with self._records(None) as (header, _):
            require_columns(path, header, text_columns)
            require_free_names(path, header, appended)
            self._header = tuple(header)

    def none(self) -> Rows:
        return FieldRows(self._header, [])

    def blocks(self, on_bytes: OnBytes | None = None) -> Iterator[Block]:
        for rows, texts in _cut(self._rows(on_bytes)):
            yield Block(FieldRows(self._header, rows), texts)

    def _rows(self, on_bytes: OnBytes | None) -> Iterator[tuple[list[str], str | None, int]]:
        parts = picked([self._header.index(name) for name in self._names])
        with self._records(on_bytes) as (_, records):
            for _, _, fields in records:
                yield fields, joined(parts(fields)) or None, sum(map(len, fields))

    @contextlib.contextmanager
    def _records(self, on_bytes: OnBytes | None) -> Iterator[tuple[list[str], Iterator[Record]]]:
        with open_data(self._path, on_bytes, self._dialect.encoding) as stream:
            lines = lines_of(stream, self._path, self._dialect)
            header, records = header_and_records(self._path, lines, self._dialect)
            yield header, whole_records(self._path, lines, self._dialect, header, records)


class _JsonTable:
    def __init__(
        self,
        path: Path,
        text_columns: tuple[str, ...],
        appended: Collection[str],
        columns: tuple[tuple[str, str], ...],
    ) -> None:
        require_columns(path, column_names(path, "json", wanted=text_columns), text_columns)
        self._path, self._names, self._appended, self._columns = path, text_columns, frozenset(appended), columns

    def none(self) -> Rows:
        return ObjectRows([], self._columns)

    def blocks(self, on_bytes: OnBytes | None = None) -> Iterator[Block]:
        for rows, texts in _cut(self._rows(on_bytes)):
            yield Block(ObjectRows(rows, self._columns), texts)

    def _rows(self, on_bytes: OnBytes | None) -> Iterator[tuple[str, str | None, int]]:
        text, cells = TextColumns(self._names, 0), values_at(self._names)
        with open_data(self._path, on_bytes) as stream:
            for number, line, value, its_text in json_objects(self._path, stream, None):
                if not self._appended.isdisjoint(value):
                    require_free_names(self._path, value, self._appended, place(self._path, number, line))
                row = Row(self._path, number, line, cells(value))
                size = max(len(its_text), len(self._columns))  # written as columns a row has a cell for each name
                yield its_text.translate(_LINE_ENDS), text.text(row) or None, size


def _columns_of_objects(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the names in all of a file's objects, in the order in which they come, and each one's type.

    Raises:
        InputError: they are too many: a megabyte of objects with names of their own would be gigabytes of empty cells.
    """
    kinds: dict[str, set[str]] = {}
    with open_data(path) as stream:
        for number, line, value, text in json_objects(path, stream, None):
            if "\\ud" in text or "\\uD" in text:  # any other text has been UTF-8
                _require_unicode(value, place(path, number, line))
            for name, inner in value.items():
                kinds.setdefault(name, set()).add(_kind(inner))
            if len(kinds) > _MOST_NAMES:
                raise InputError(
                    f"data file {path}: its objects have more than {_MOST_NAMES:,} names, and each would be a column; "
                    "write .jsonl, which needs none"
                )
    return tuple((name, _common(found - {"null"})) for name, found in kinds.items())


def _require_unicode(value: dict[str, Any], where: str) -> None:
    """Refuse half a surrogate pair, which JSON can spell and no column of text can hold."""
    for name, inner in value.items():
        try:
            json.dumps({name: inner}, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{where}: column {name!r}: expected text, got half a surrogate pair in it or its name; mend it, or "
                "write .jsonl, which keeps it as it stands"
            ) from None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if abs(value) <= _LARGEST_EXACT:
            return "int"
        return "int64" if -_LARGEST <= value < _LARGEST else "string"
    return "float64" if isinstance(value, float) else "string"


def _common(kinds: set[str]) -> str:
    """Return the type of a column whose values are of several: one that holds each exactly, as a text does."""
    if kinds <= {"int", "int64"}:
        return "int64" if kinds else "string"
    if kinds <= {"int", "float64"}:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "string"


class _ParquetTable:
    def __init__(self, path: Path, text_columns: tuple[str, ...], appended: Collection[str]) -> None:
        self._path, self._names = path, text_columns
        self._schema = parquet_schema(path)
        require_columns(path, parquet_columns(path), text_columns)
        require_free_names(path, self._schema.names, appended)

    def none(self) -> Rows:
        return ArrowRows(self._schema.empty_table())

    def blocks(self, on_bytes: OnBytes | None = None) -> Iterator[Block]:
        batches: list[Any] = []
        texts: list[str | None] = []
        left = BLOCK_CHARACTERS
        for start, batch in parquet_batches(self._path, None, on_bytes):
            batches.append(batch)
            texts += texts_of_batch(self._path, start, batch, self._names)
            left -= batch.nbytes
            if len(texts) >= BLOCK_ROWS or left <= 0:
                yield self._block(batches, texts)
                batches, texts, left = [], [], BLOCK_CHARACTERS
        if batches:
            yield self._block(batches, texts)

    def _block(self, batches: list[Any], texts: list[str | None]) -> Block:
        pa, _ = import_pyarrow()
        return Block(ArrowRows(pa.Table.from_batches(batches, self._schema).combine_chunks()), texts)


def texts_of_batch(path: Path, start: int, batch: Any, names: tuple[str, ...]) -> list[str | None]:
    """Return the texts of a record batch's rows; None = a row has no text.

    Args:
        path: names the table in messages.
        start: the first row's number.
        batch: a ``pyarrow.RecordBatch``.
        names: the columns of the text.

    Raises:
        InputError: a text is of a kind that cannot be used.
    """
    plain = plain_texts(batch, names[0]) if len(names) == 1 else None
    if plain is not None:
        return [None if each is None or not each or each.isspace() else each for each in plain]
    text = TextColumns(names, 0)
    return [text.text(row) or None for row in rows_of_batch(path, start, batch, names)]
