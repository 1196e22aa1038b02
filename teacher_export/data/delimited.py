"""Read CSV and TSV record by record: quoted as in RFC 4180, or with quoting off."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from distill_jax.errors import InputError
from teacher_export.data.rows import Row, Wanted, is_wanted, place
from teacher_export.data.sources import TextLines, decode_line, not_utf8

DelimitedFormat = Literal["csv", "tsv", "unquoted-tsv"]
MAX_FIELD_CHARACTERS = 10_000_000
Record = tuple[int, int, list[str]]
"""A record's row number (the header's is -1), the line where it begins, and its fields."""


def delimited_rows(
    path: Path, lines: TextLines, file_format: DelimitedFormat, columns: Sequence[str], wanted: Wanted | None
) -> Iterator[Row]:
    """Yield the rows of a file with a header; an empty field is a missing value."""
    records = records_of(path, lines, file_format)
    header = header_of(path, records)
    indices = [header.index(name) for name in columns]
    for number, line, fields in records:
        if len(fields) != len(header):
            # pandas, and so the notebook, reads short rows as missing values: a quoted table may not have them
            may_be_short = file_format == "unquoted-tsv" and lines.ended_whole
            _require_width(place(path, number, line), fields, header, lines, may_be_short=may_be_short)
            fields.extend([""] * (len(header) - len(fields)))
        if is_wanted(wanted, number):
            yield Row(path, number, line, tuple([fields[index] or None for index in indices]))


def _require_width(where: str, fields: list[str], header: list[str], lines: TextLines, *, may_be_short: bool) -> None:
    if may_be_short and len(fields) < len(header):
        return
    cut = "" if lines.ended_whole else "; the file ends without a line feed there: is it truncated?"
    raise InputError(f"{where}: expected {len(header)} fields as in the header, got {len(fields)}{cut}")


def header_of(path: Path, records: Iterator[Record]) -> list[str]:
    """Return the header, the first record."""
    first = next(records, None)
    if first is None:
        raise InputError(f"data file {path}: the file is empty (blank lines only); expected a header and rows")
    return first[2]


def records_of(path: Path, lines: TextLines, file_format: DelimitedFormat) -> Iterator[Record]:
    """Yield ``(row number, first line, fields)``, the header as row number -1."""
    if file_format == "unquoted-tsv":
        return _unquoted_records(path, lines)
    return _quoted_records(path, lines, "\t" if file_format == "tsv" else ",")


def _quoted_records(path: Path, lines: TextLines, delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD_CHARACTERS))
    reader = csv.reader(iter(lines), delimiter=delimiter, strict=True)
    number = -1
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
            raise InputError(f"{_place_or_header(path, number, line)}: {_explain(error, delimiter)}") from None
        if fields:
            yield number, line, fields
            number += 1


def _explain(error: csv.Error, delimiter: str) -> str:
    text = str(error)
    if "unexpected end of data" in text or "field larger" in text:
        return 'a quotation mark (") opens a field here and is not closed; a quote inside a field is written twice'
    if "expected after" in text:
        name = "a tab" if delimiter == "\t" else "a comma"
        return (
            f'expected {name} after the quotation mark (") that closes a field; a quote inside a field is written twice'
        )
    if "new-line character" in text:
        return "expected a line feed at the line's end, got a carriage return alone; put such a field into quotes"
    return f"expected fields separated by {delimiter!r} ({text})"


def _place_or_header(path: Path, number: int, line: int) -> str:
    return f"data file {path}: header (line {line})" if number < 0 else place(path, number, line)


def _unquoted_records(path: Path, lines: TextLines) -> Iterator[Record]:
    number = -1
    for raw in lines.raw():
        try:
            text = decode_line(raw).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise not_utf8(_place_or_header(path, number, lines.number), error) from None
        if text:
            yield number, lines.number, text.split("\t")
            number += 1
