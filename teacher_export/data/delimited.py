"""Read files of separated fields record by record: quoted as in RFC 4180, or with quoting off."""

import csv
import dataclasses
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from distill_jax.errors import InputError
from teacher_export.data.rows import Row, Wanted, is_wanted, place
from teacher_export.data.sources import TextLines, decode_line, not_utf8

MAX_FIELD_CHARACTERS = 10_000_000
Record = tuple[int, int, list[str]]
"""A record's row number (the header's is -1), the line where it begins, and its fields."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file of separated fields is written.

    Attributes:
        separator: the character between fields.
        is_quoted: whether a field may stand in quotation marks; without, they are letters and a row is a line.
        encoding: Python's name of the file's encoding.
        has_header: whether the first record names the columns; without, they are called 1, 2, 3 ….
        may_be_short: whether a row may lack its last fields, which are then missing values.
    """

    separator: str = ","
    is_quoted: bool = True
    encoding: str = "utf-8"
    has_header: bool = True
    may_be_short: bool = False


CSV, TSV = Dialect(), Dialect("\t")
# pandas, and so the notebook, reads short rows as missing values: a quoted table may not have them.
UNQUOTED_TSV = Dialect("\t", is_quoted=False, may_be_short=True)


def delimited_rows(
    path: Path, lines: TextLines, dialect: Dialect, columns: Sequence[str], wanted: Wanted | None
) -> Iterator[Row]:
    """Yield a file's rows; an empty field is an empty text."""
    header, records = header_and_records(path, lines, dialect)
    cells = _picked([header.index(name) for name in columns])
    for number, line, fields in records:
        if len(fields) != len(header):
            where = place(path, number, line)
            _require_width(where, fields, header, lines, may_be_short=dialect.may_be_short and lines.ended_whole)
            fields.extend([""] * (len(header) - len(fields)))
        elif lines.number > line:
            _require_no_rows_within(place(path, number, line), fields, dialect.separator)
        if is_wanted(wanted, number):
            yield Row(path, number, line, cells(fields))


def _picked(indices: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """Return what makes a tuple of some of a record's fields."""
    if len(indices) > 1:
        return operator.itemgetter(*indices)
    return lambda fields: tuple([fields[index] for index in indices])


def _require_width(where: str, fields: list[str], header: list[str], lines: TextLines, *, may_be_short: bool) -> None:
    if may_be_short and len(fields) < len(header):
        return
    cut = "" if lines.ended_whole else "; the file ends without a line feed there: is it truncated?"
    raise InputError(f"{where}: expected {len(header)} fields as in the first line, got {len(fields)}{cut}")


def _require_no_rows_within(where: str, fields: list[str], separator: str) -> None:
    """Refuse a quoted field that is several rows, because a quotation mark opened it that nobody had meant as one.

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
            raise InputError(
                f"{where}: a quotation mark opens a field that goes on over {len(between) + 2} lines, which look like "
                "rows of their own; where quotation marks are letters, give --quoting none, else write the mark twice "
                "in a quoted field"
            )


def header_and_records(path: Path, lines: TextLines, dialect: Dialect) -> tuple[list[str], Iterator[Record]]:
    """Return the columns' names, and the records after the header."""
    records = _quoted_records(path, lines, dialect) if dialect.is_quoted else _unquoted_records(path, lines, dialect)
    first = next(records, None)
    if first is None:
        raise InputError(f"data file {path}: the file is empty (blank lines only); expected a header and rows")
    if dialect.has_header:
        return first[2], records
    return [str(number) for number in range(1, len(first[2]) + 1)], itertools.chain([first], records)


def _quoted_records(path: Path, lines: TextLines, dialect: Dialect) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARACTERS))
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
            raise not_utf8(_place_or_header(path, number, lines.number), error) from None
        except csv.Error as error:
            raise InputError(f"{_place_or_header(path, number, line)}: {_explain(error, dialect.separator)}") from None
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


def _place_or_header(path: Path, number: int, line: int) -> str:
    return f"data file {path}: header (line {line})" if number < 0 else place(path, number, line)


def _unquoted_records(path: Path, lines: TextLines, dialect: Dialect) -> Iterator[Record]:
    number = -1 if dialect.has_header else 0
    for raw in lines.raw():
        try:
            text = decode_line(raw).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise not_utf8(_place_or_header(path, number, lines.number), error) from None
        if text:
            yield number, lines.number, text.split(dialect.separator)
            number += 1
