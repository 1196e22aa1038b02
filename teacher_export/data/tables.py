"""Read CSV, TSV, JSONL and Parquet row by row, however large the file; each error names the row."""

import difflib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from distill_jax.errors import InputError
from teacher_export.data.delimited import DelimitedFormat, delimited_rows, header_of, records_of
from teacher_export.data.rows import Row, Wanted, is_wanted, names_once, place
from teacher_export.data.sources import OnBytes, TextLines, decode_line, not_utf8, open_data

TableFormat = DelimitedFormat | Literal["jsonl", "parquet"]

FORMATS: dict[str, TableFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_JSON_ROWS_FOR_COLUMNS = 100
_COLUMNS_SHOWN = 20


def table_format(path: Path) -> TableFormat:
    """Return a file's format by the ending of its name, ``.gz`` left aside.

    Raises:
        InputError: the ending is none of those known.
    """
    name = path.name.lower().removesuffix(".gz")
    ending = Path(name).suffix
    if ending not in FORMATS:
        raise InputError(
            f"data file {path}: expected a name that ends in {', '.join(FORMATS)} (or one of these and .gz), "
            f"got {path.suffix or 'no ending'!r}"
        )
    return FORMATS[ending]


def column_names(path: Path, file_format: TableFormat) -> list[str]:
    """Return the columns of a file; for JSONL the keys of its first hundred objects."""
    if file_format == "parquet":
        from teacher_export.data.parquet import parquet_columns

        return parquet_columns(path)
    with open_data(path) as stream:
        lines = TextLines(stream, f"data file {path}")
        if file_format == "jsonl":
            objects = itertools.islice(_json_objects(path, lines, None), _JSON_ROWS_FOR_COLUMNS)
            found = list(dict.fromkeys(key for _, _, value in objects for key in value))
            if not found:
                raise InputError(f"data file {path}: the file is empty (no JSON object with a key in it)")
            return found
        return header_of(path, records_of(path, lines, file_format))


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
) -> Iterator[Row]:
    """Yield a file's rows in order, one in memory at a time.

    Args:
        path: the file, gzipped or not.
        file_format: how to read it.
        columns: the columns whose values the rows carry.
        on_bytes: told of every byte read from the disk.
        wanted: only these rows; the others are counted, and parsed only where that is needed to count them.

    Raises:
        InputError: a column is missing, or a row is not what the format says: the message names the row.
    """
    require_columns(path, column_names(path, file_format), columns)
    if file_format == "parquet":
        from teacher_export.data.parquet import parquet_rows

        yield from parquet_rows(path, columns, on_bytes, wanted)
        return
    with open_data(path, on_bytes) as stream:
        lines = TextLines(stream, f"data file {path}")
        if file_format == "jsonl":
            for number, line, value in _json_objects(path, lines, wanted):
                yield Row(path, number, line, tuple(value.get(name) for name in columns))
        else:
            yield from delimited_rows(path, lines, file_format, columns, wanted)


def _json_objects(path: Path, lines: TextLines, wanted: Wanted | None) -> Iterator[tuple[int, int, dict[str, Any]]]:
    number = -1
    for raw in lines.raw():
        if raw.isspace():
            continue
        number += 1
        if not is_wanted(wanted, number):
            continue
        where = place(path, number, lines.number)
        try:
            value = json.loads(decode_line(raw), object_pairs_hook=names_once)
        except UnicodeDecodeError as error:
            raise not_utf8(where, error) from None
        except (ValueError, RecursionError) as error:
            cut = "" if lines.ended_whole else "; the file ends without a line feed there: is it truncated?"
            raise InputError(f"{where}: expected a JSON object a line, got no JSON ({error}){cut}") from None
        if not isinstance(value, dict):
            raise InputError(f"{where}: expected a JSON object a line, got {_json_kind(value)}")
        yield number, lines.number, value


def _json_kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
