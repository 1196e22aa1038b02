"""How a file is read: by the ending of its name, by the options, and by what its first line shows."""

import codecs
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from distill_jax.console import say
from distill_jax.errors import InputError
from distill_jax.tables.compression import PACKED, name_within
from distill_jax.tables.delimited import Dialect
from distill_jax.tables.dialect_options import DialectConfig
from distill_jax.tables.reading import FORMATS, TableFormat, column_names
from distill_jax.tables.sources import open_data

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".xlsm", ".xlsb")
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def table_format(path: Path) -> TableFormat:
    """Return a file's format by the ending of its name; that of a packed file stands before the packing's.

    Raises:
        InputError: the ending is none of those known.
    """
    ending = Path(name_within(path, FORMATS)).suffix
    if ending in _SPREADSHEETS:
        raise InputError(f"data file {path}: expected a table as text, got a spreadsheet; save it as CSV in UTF-8")
    if ending not in FORMATS:
        raise InputError(
            f"data file {path}: expected a name that ends in {', '.join(FORMATS)} (and may end in {', '.join(PACKED)} "
            f"after that), got {ending or path.suffix or 'no ending'!r}"
        )
    return FORMATS[ending]


def format_of(path: Path, asked: DialectConfig, columns: Sequence[str]) -> TableFormat:
    """Return how a file is read.

    UTF-16 is known by its mark. Where no separator is asked for and that of the file's name does not find the columns,
    it is the one of comma, semicolon, tab and pipe that does.

    Args:
        path: the file; it is there.
        asked: the options.
        columns: those that it must have.

    Raises:
        InputError: its ending is none of those known, or an option does not go with its format.
    """
    found = table_format(path)
    if not isinstance(found, Dialect):
        if asked.given():
            raise InputError(f"{asked.given()[0]} goes with CSV and TSV, got the data file {path}")
        return found
    encoding = asked.codec
    if encoding == "utf-8" and _has_mark_of_utf_16(path):
        encoding = "utf-16"
    dialect = Dialect(
        separator=asked.character or found.separator,
        is_quoted=asked.quoting != "none",
        may_hold_rows=asked.quoting == "multi-line",
        encoding=encoding,
        has_header=not asked.no_header,
        has_escapes=asked.escaped_line_feeds,
    )
    return dialect if asked.character is not None else _guessed(path, dialect, columns)


def _guessed(path: Path, dialect: Dialect, columns: Sequence[str]) -> Dialect:
    if _has(path, dialect, columns):
        return dialect
    others = [dataclasses.replace(dialect, separator=each) for each in _SEPARATORS if each != dialect.separator]
    fitting = [other for other in others if _has(path, other, columns)]
    return fitting[0] if len(fitting) == 1 else dialect  # it is then said which columns it lacks


def say_guesses(path: Path, asked: DialectConfig, found: TableFormat) -> None:
    """Say what of a file's format neither its name nor an option told."""
    named = table_format(path)
    if not isinstance(found, Dialect) or not isinstance(named, Dialect):
        return
    if found.encoding != asked.codec:
        say(f"{path}: read as UTF-16, as its mark says")
    if asked.character is None and found.separator != named.separator:
        say(f"{path}: separated by {_SEPARATORS[found.separator]}, as its first line shows")


def _has(path: Path, dialect: Dialect, columns: Sequence[str]) -> bool:
    try:
        return set(columns) <= set(column_names(path, dialect))
    except InputError:
        return False


def _has_mark_of_utf_16(path: Path) -> bool:
    with open_data(path) as stream:
        return stream.read(2) in _UTF_16_MARKS
