"""Read files of separated fields record by record: quoted as in RFC 4180, or with quoting off."""

import csv
import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from distill_jax.errors import InputError
from distill_jax.tables.rereading import RereadableLines, tolerant_records
from distill_jax.tables.rows import OnBadRow, Row, RowError, Wanted, is_wanted, place, refuse
from distill_jax.tables.sources import TextLines, decode_line, not_utf8, row_too_long

MAX_FIELD_CHARACTERS = 10_000_000
Lines = TextLines | RereadableLines
Record = tuple[int, int, list[str]]
"""A record's row number (the header's is -1), the line where it begins, and its fields."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file of separated fields is written.

    Attributes:
        separator: the character between fields.
        is_quoted: whether a field may stand in quotation marks; without, they are letters and a row is a line.
        may_hold_rows: whether a quoted field's lines may look like rows; else a stray quotation mark is suspected.
        encoding: Python's name of the file's encoding.
        has_header: whether the first record names the columns; without, they are called 1, 2, 3 ….
        may_be_short: whether a row may lack its last fields, which are then missing values.
        has_escapes: whether a backslash and an n in a field are a line feed.
    """

    separator: str = ","
    is_quoted: bool = True
    may_hold_rows: bool = False
    encoding: str = "utf-8"
    has_header: bool = True
    may_be_short: bool = False
    has_escapes: bool = False


CSV, TSV = Dialect(), Dialect("\t")
# pandas, and so the notebook, reads short rows as missing values: a quoted table may not have them.
UNQUOTED_TSV = Dialect("\t", is_quoted=False, may_be_short=True)


def delimited_rows(
    path: Path,
    lines: Lines,
    dialect: Dialect,
    columns: Sequence[str],
    wanted: Wanted | None,
    on_bad_row: OnBadRow = refuse,
) -> Iterator[Row]:
    """Yield a file's rows; an empty field is an empty text."""
    header, records = header_and_records(path, lines, dialect, on_bad_row)
    cells = picked([header.index(name) for name in columns])
    for number, line, fields in whole_records(path, lines, dialect, header, records, on_bad_row):
        if is_wanted(wanted, number):
            yield Row(path, number, line, cells(fields))


def whole_records(
    path: Path,
    lines: Lines,
    dialect: Dialect,
    header: Sequence[str],
    records: Iterator[Record],
    on_bad_row: OnBadRow = refuse,
) -> Iterator[Record]:
    """Yield the records that have a field for each column, and whose fields are no rows themselves."""
    for number, line, fields in records:
        if len(fields) != len(header):
            if not (dialect.may_be_short and lines.ended_whole and len(fields) < len(header)):
                on_bad_row(_of_other_width(place(path, number, line), fields, header, lines))
                continue
            fields.extend([""] * (len(header) - len(fields)))
        elif not dialect.may_hold_rows and lines.number > line and (n := _rows_within(fields, dialect.separator)):
            on_bad_row(_of_several_rows(place(path, number, line), n))
            if isinstance(lines, RereadableLines):
                lines.go_back()
            continue
        yield number, line, _unescaped(fields) if dialect.has_escapes else fields


def _unescaped(fields: list[str]) -> list[str]:
    """Return fields in which a backslash and an n are a line feed."""
    return [field.replace("\\n", "\n") for field in fields]


def picked(indices: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return what makes a tuple of some of a record's fields."""
    if len(indices) > 1:
        return operator.itemgetter(*indices)
    return lambda fields: tuple([fields[index] for index in indices])


def _of_other_width(where: str, fields: list[str], header: Sequence[str], lines: Lines) -> RowError:
    cut = "" if lines.ended_whole else "; the file ends without a line feed there: is it truncated?"
    return RowError(f"{where}: expected {len(header)} fields as in the first line, got {len(fields)}{cut}")


def _rows_within(fields: list[str], separator: str) -> int:
    """Return how many lines a quoted field has that are rows, which a stray quotation mark made one; 0 where none is.

    Its first and last lines lack just the fields that stand outside, and each line between has all. A comma stands in
    sentences too, so for it three lines or more must agree.
    """
    for place_, field in enumerate(fields):
        first, *between = field.split("\n")
        if not between:
            continue
        last = between.pop()
        after = len(fields) - 1 - place_
        agree = (first.count(separator), last.count(separator)) == (after, place_) and all(
            line.count(separator) == len(fields) - 1 for line in between
        )
        if agree and len(fields) > 1 and (separator != "," or between):
            return len(between) + 2
    return 0


def _of_several_rows(where: str, lines_within: int) -> RowError:
    return RowError(
        f"{where}: a quotation mark opens a field that goes on over {lines_within} lines, which look like rows of "
        "their own; where the field is meant so, give --quoting multi-line, where quotation marks are letters, "
        "--quoting none, else write the mark twice in a quoted field"
    )


def lines_of(stream: IO[bytes], path: Path, dialect: Dialect, on_bad_row: OnBadRow = refuse) -> Lines:
    """Return a file's lines, such as bad rows among them can be left out of where they are."""
    lines = TextLines(stream, f"data file {path}", drops_long=on_bad_row is not refuse)
    return RereadableLines(lines) if dialect.is_quoted and on_bad_row is not refuse else lines


def header_and_records(
    path: Path, lines: Lines, dialect: Dialect, on_bad_row: OnBadRow = refuse
) -> tuple[list[str], Iterator[Record]]:
    """Return the columns' names, and the records after the header, which is never left out."""
    records = _records(path, lines, dialect, on_bad_row)
    first = next(records, None)
    if first is None:
        raise InputError(f"data file {path}: the file is empty (blank lines only); expected a header and rows")
    if dialect.has_header:
        return first[2], records
    return [str(number) for number in range(1, len(first[2]) + 1)], itertools.chain([first], records)


def _records(path: Path, lines: Lines, dialect: Dialect, on_bad_row: OnBadRow) -> Iterator[Record]:
    first = -1 if dialect.has_header else 0
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARACTERS))
    if isinstance(lines, RereadableLines):
        return tolerant_records(path, lines, dialect.separator, _explain, on_bad_row, first)
    return (
        _quoted_records(path, lines, dialect)
        if dialect.is_quoted
        else _unquoted_records(path, lines, dialect, on_bad_row)
    )


def _quoted_records(path: Path, lines: TextLines, dialect: Dialect) -> Iterator[Record]:
    reader = csv.reader(iter(lines), delimiter=dialect.separator, strict=True)
    number = -1 if dialect.has_header else 0
    while True:
        line = lines.number + 1
        lines.begin_row()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            raise not_utf8(place(path, number, lines.number), error) from None
        except csv.Error as error:
            raise RowError(f"{place(path, number, line)}: {_explain(error, dialect.separator)}") from None
        if fields:
            yield number, line, fields
            number += 1


def _explain(error: csv.Error, separator: str) -> str:
    text = str(error)
    advice = "a quote inside a field is written twice; where quotation marks are letters, give --quoting none"
    if "unexpected end of data" in text or "field larger" in text:
        return f'a quotation mark (") opens a field here and is not closed; {advice}'
    if "expected after" in text:
        name = {"\t": "a tab", ",": "a comma"}.get(separator, repr(separator))
        return f'expected {name} after the quotation mark (") that closes a field; {advice}'
    if "new-line character" in text:
        return "expected a line feed at the line's end, got a carriage return alone; put such a field into quotes"
    return f"expected fields separated by {separator!r} ({text})"


def _unquoted_records(path: Path, lines: TextLines, dialect: Dialect, on_bad_row: OnBadRow) -> Iterator[Record]:
    number = -1 if dialect.has_header else 0
    for raw in lines.raw():
        try:
            text = decode_line(raw).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            on_bad_row(not_utf8(place(path, number, lines.number), error))
        else:
            if text:
                yield number, lines.number, text.split(dialect.separator)
            elif raw:
                continue
            else:
                on_bad_row(row_too_long(place(path, number, lines.number)))
        number += 1
