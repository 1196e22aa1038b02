"""Read JSON row by row: an object a line, or one array of objects; however large the file."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from distill_jax.errors import InputError
from distill_jax.tables.rows import NameTwiceError, OnBadRow, RowError, Wanted, is_wanted, names_once, place, refuse
from distill_jax.tables.sources import MAX_ROW_BYTES, TextLines, decode_line, not_utf8, row_too_long

_BLOCK_BYTES = 1 << 16
_LONGEST_WORD = 32  # characters of "-Infinity", or of an escaped character beyond U+FFFF, and some more
_WHITE = " \t\r\n"
_BLANKS = re.compile(f"[{_WHITE}]*")
_DECODER, _PLAIN_DECODER = json.JSONDecoder(object_pairs_hook=names_once), json.JSONDecoder()
Object = tuple[int, int, dict[str, Any], str]
"""A row's number, the line where it begins, the object, and its text in the file, white space around it left out."""


def json_objects(
    path: Path, stream: IO[bytes], wanted: Wanted | None, on_bad_row: OnBadRow = refuse
) -> Iterator[Object]:
    """Yield a file's objects; those that are not wanted are passed over.

    Args:
        path: names the file.
        stream: its bytes.
        wanted: the rows to yield; None = all.
        on_bad_row: told of a row that is no JSON object. In an array, one that is no JSON hides where the next begins.

    Raises:
        InputError: the file is no JSON of rows; the message names the row.
    """
    beginning = stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n") if hasattr(stream, "peek") else b""
    read = _array_objects if beginning.startswith(b"[") else _line_objects
    return read(path, stream, wanted, on_bad_row)


def _line_objects(path: Path, stream: IO[bytes], wanted: Wanted | None, on_bad_row: OnBadRow) -> Iterator[Object]:
    lines, number = TextLines(stream, f"data file {path}", drops_long=on_bad_row is not refuse), -1
    for raw in lines.raw():
        if raw.isspace():
            continue
        number += 1
        if not is_wanted(wanted, number):
            continue
        try:
            text = decode_line(raw)
            value = json.loads(text, object_pairs_hook=names_once)
        except (ValueError, RecursionError) as error:
            on_bad_row(_no_json(place(path, number, lines.number), raw, lines, error))
            continue
        if not isinstance(value, dict):
            where = place(path, number, lines.number)
            on_bad_row(RowError(f"{where}: expected a JSON object a line, got {_json_kind(value)}"))
            continue
        if number == 0 and _is_of_columns(value):
            where = place(path, number, lines.number)
            raise InputError(
                f"{where}: expected a JSON object a row, got one object of whole columns, as pandas' to_json() writes; "
                'write it with to_json(…, orient="records", lines=True)'
            )
        yield number, lines.number, value, text.strip(_WHITE)


def _no_json(where: str, raw: bytes, lines: TextLines, error: Exception) -> RowError:
    if not raw:
        return row_too_long(where)
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(where, error)
    cut = "" if lines.ended_whole else "; the file ends without a line feed there: is it truncated?"
    return RowError(f"{where}: expected a JSON object a line, got no JSON ({error}){cut}")


def _is_of_columns(value: dict[str, Any]) -> bool:
    """Whether an object's values are columns, each an object of rows by their number."""
    return bool(value) and all(isinstance(column, dict) and "0" in column for column in value.values())


class _Characters:
    """A stream's text as far as it is read, of which what was used is let go.

    Attributes:
        text: what is read.
        at: where in it what is not used yet begins.
        line: the line of that place.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    @property
    def left(self) -> int:
        """The characters that are read and not used."""
        return len(self.text) - self.at

    def more(self) -> None:
        """Read a further block, twice as long for what none has ended yet, or find that there is none."""
        block = self._stream.read(max(_BLOCK_BYTES, self.left))
        try:
            self.text, self.at = self.text[self.at :] + self._decoder.decode(block, final=not block), 0
        except UnicodeDecodeError as error:
            raise not_utf8(f"data file {self._path}: line {self.line} or after", error) from None
        self.ended = not block

    def use(self, end: int) -> None:
        """Go on to a place."""
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def next(self) -> str:
        """Pass over white space and the character after it, and return that; an empty text at the end."""
        character = self.ahead()
        self.at += len(character)
        return character

    def ahead(self) -> str:
        """Pass over white space and return the character after it; an empty text at the end."""
        while True:
            blanks = _BLANKS.match(self.text, self.at)
            self.use(self.at if blanks is None else blanks.end())
            if self.left or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()


def _array_objects(path: Path, stream: IO[bytes], wanted: Wanted | None, on_bad_row: OnBadRow) -> Iterator[Object]:
    text, number = _Characters(path, stream), 0
    text.next()
    if text.ahead() == "]":
        text.next()
    else:
        separator = ","
        while separator == ",":
            text.ahead()
            line = text.line
            value, its_text = _value(text, place(path, number, line))
            if isinstance(value, RowError):
                on_bad_row(value)
            elif not isinstance(value, dict):
                on_bad_row(RowError(f"{place(path, number, line)}: expected a JSON object, got {_json_kind(value)}"))
            elif is_wanted(wanted, number):
                yield number, line, value, its_text
            number += 1
            separator = text.next()
        if separator != "]":
            where = place(path, number - 1, text.line)
            got = repr(separator) if separator else "the end of the file: is it truncated?"
            raise InputError(f"{where}: expected ',' or ']' after the object, got {got}")
    if rest := text.ahead():
        raise InputError(f"data file {path}: line {text.line}: expected nothing after the array, got {rest!r}")


def _value(text: _Characters, where: str) -> tuple[Any, str]:
    """Return the next value and its text; of an object that has a name twice the error, as its end is known too."""
    decoder, fault = _DECODER, None
    while True:
        try:
            value, end = decoder.raw_decode(text.text, text.at)
        except NameTwiceError as error:
            decoder, fault = _PLAIN_DECODER, RowError(f"{where}: expected a JSON object, got no JSON ({error})")
            continue
        except RecursionError as error:
            raise InputError(f"{where}: expected a JSON object, got no JSON ({error})") from None
        except ValueError as error:
            if text.ended or not _may_go_on(error, text.text):
                cut = "; is the file truncated?" if text.ended else ""
                raise InputError(f"{where}: expected a JSON object, got no JSON ({_bare(error)}){cut}") from None
        else:
            if end < len(text.text) or text.ended:  # else a number might go on
                its_text = text.text[text.at : end]
                text.use(end)
                return fault or value, its_text
        if text.left > MAX_ROW_BYTES:
            raise row_too_long(where)
        text.more()


def _may_go_on(error: ValueError, text: str) -> bool:
    """Whether what is wrong may be that a text is cut where it is read up to."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - _LONGEST_WORD


def _bare(error: ValueError) -> str:
    """Return what an error says without its place, which is one in a part of the file."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _json_kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
