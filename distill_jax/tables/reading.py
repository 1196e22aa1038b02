"""Read CSV, TSV, JSON, Parquet and fastText's lines row by row, however large the file; each error names the row."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from distill_jax.errors import InputError
from distill_jax.tables.byte_streams import OnBytes
from distill_jax.tables.delimited import CSV, TSV, Dialect, delimited_rows, header_and_records, lines_of
from distill_jax.tables.json_rows import json_objects
from distill_jax.tables.label_lines import COLUMNS as LABEL_LINE_COLUMNS
from distill_jax.tables.label_lines import label_line_rows
from distill_jax.tables.paths import paths_in, values_at
from distill_jax.tables.rows import OnBadRow, Row, Wanted, ignore, refuse
from distill_jax.tables.sources import TextLines, open_data

TableFormat = Dialect | Literal["json", "parquet", "fasttext"]

FORMATS: dict[str, TableFormat] = {
    ".csv": CSV,
    ".tsv": TSV,
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    **dict.fromkeys((".txt", ".train", ".valid", ".test"), "fasttext"),
}
_JSON_ROWS_FOR_COLUMNS = 100
_COLUMNS_SHOWN = 20


def column_names(
    path: Path, file_format: TableFormat, on_bad_row: OnBadRow = refuse, wanted: Sequence[str] = ()
) -> list[str]:
    """Return the columns of a file, and the paths of those within them.

    For JSON they are those of its first hundred objects, and of so many more as it takes to find the ``wanted`` ones.
    """
    if file_format == "parquet":
        from distill_jax.tables.parquet import parquet_columns

        return parquet_columns(path)
    if file_format == "fasttext":
        return list(LABEL_LINE_COLUMNS)
    if file_format == "json":
        found: dict[str, None] = {}
        with open_data(path) as stream:
            for index, (_, _, value, _) in enumerate(json_objects(path, stream, None, on_bad_row), 1):
                found |= dict.fromkeys(paths_in(value))
                if index >= _JSON_ROWS_FOR_COLUMNS and found.keys() >= set(wanted):
                    break
        if not found:
            raise InputError(f"data file {path}: the file is empty (no JSON object with a key in it)")
        return sorted(found, key=lambda name: name.count("."))
    with open_data(path, encoding=file_format.encoding) as stream:
        lines = lines_of(stream, path, file_format, on_bad_row)
        return header_and_records(path, lines, file_format, on_bad_row)[0]


def require_columns(path: Path, found: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise ``InputError`` for the first column that a file does not have, or has twice."""
    for name in wanted:
        if name in found:
            if list(found).count(name) > 1:
                raise InputError(f"data file {path}: expected one column {name!r}, found several; rename them")
            continue
        close = {column.lower(): column for column in found}
        guess = difflib.get_close_matches(name.lower(), close, 1)
        hint = f"; did you mean {close[guess[0]]!r}?" if guess else ""
        listed = ", ".join(repr(column[:40]) for column in found[:_COLUMNS_SHOWN])
        more = f" and {len(found) - _COLUMNS_SHOWN} more" if len(found) > _COLUMNS_SHOWN else ""
        raise InputError(f"data file {path}: it has no column {name!r}, only {listed or 'none'}{more}{hint}")


def read_rows(
    path: Path,
    file_format: TableFormat,
    columns: Sequence[str],
    on_bytes: OnBytes | None = None,
    wanted: Wanted | None = None,
    on_bad_row: OnBadRow = refuse,
) -> Iterator[Row]:
    """Yield a file's rows in order, one in memory at a time.

    Args:
        path: the file, packed or not.
        file_format: how to read it.
        columns: the columns whose values the rows carry; within objects and structs by their paths, as ``a.b``.
        on_bytes: told of every byte read from the disk.
        wanted: only these rows; the others are counted, and parsed only where that is needed to count them.
        on_bad_row: told of a row that is not what the format says; where it returns, reading goes on with the next.

    Raises:
        InputError: a column is missing, or the file cannot be read; the message names the row.
    """
    quiet = refuse if on_bad_row is refuse else ignore
    require_columns(path, column_names(path, file_format, quiet, columns), columns)
    if file_format == "parquet":
        from distill_jax.tables.parquet import parquet_rows

        yield from parquet_rows(path, columns, on_bytes, wanted, on_bad_row)
        return
    if file_format == "json":
        cells = values_at(columns)
        with open_data(path, on_bytes) as stream:
            for number, line, value, _ in json_objects(path, stream, wanted, on_bad_row):
                yield Row(path, number, line, cells(value))
        return
    if file_format == "fasttext":
        with open_data(path, on_bytes) as stream:
            lines = TextLines(stream, f"data file {path}", drops_long=on_bad_row is not refuse)
            yield from label_line_rows(path, lines, columns, wanted, on_bad_row)
        return
    with open_data(path, on_bytes, file_format.encoding) as stream:
        records = lines_of(stream, path, file_format, on_bad_row)
        yield from delimited_rows(path, records, file_format, columns, wanted, on_bad_row)
