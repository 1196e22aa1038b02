"""Open a data file of any size as a stream of bytes or lines: packed or not, and what can be wrong with it."""

import codecs
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from distill_jax.errors import InputError, MissingInputError
from distill_jax.tables.byte_streams import BUFFER_BYTES, BlockStream, OnBytes
from distill_jax.tables.compression import unpacked
from distill_jax.tables.rows import RowError

MAX_ROW_BYTES = 1 << 24  # Python's lists and dictionaries of a row take twenty times as much
MOST_TIMES = 8  # what texts are packed to at best, by themselves
LITTLE_BYTES = 1 << 28  # what a small file may unpack to all the same
_RECODED_BYTES = 1 << 16
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def require_data_file(path: Path, option: str = "--data") -> None:
    """Raise unless ``path``, given with ``option``, is an ordinary file with something in it.

    Raises:
        MissingInputError: there is nothing of that name.
        InputError: a folder, a pipe (the files are read twice), or an empty file.
    """
    if not path.exists():
        raise MissingInputError(f"data file {path}: there is no such file; check {option}")
    if path.is_dir():
        raise InputError(f"data file {path}: expected a file, found a folder; name the files in it after {option}")
    if not path.is_file():
        raise InputError(f"data file {path}: expected an ordinary file (it is read twice), found a pipe or a device")
    if path.stat().st_size == 0:
        content = "texts" if option == "--unlabelled" else "texts and labels"
        raise InputError(f"data file {path}: the file is empty (0 bytes); expected rows of {content}")


@contextlib.contextmanager
def open_data(path: Path, on_bytes: OnBytes | None = None, encoding: str = "utf-8") -> Iterator[IO[bytes]]:
    """Open a data file for reading, decompressing what is packed (known by its first bytes, not by the file's name).

    Args:
        path: the file.
        on_bytes: told of every byte read from the disk.
        encoding: the text's; what is read is UTF-8.

    Raises:
        InputError: what ``unpacked`` raises; or, while it is read: text in another encoding.
    """
    with unpacked(path, on_bytes) as stream:
        if encoding == "utf-8":
            yield stream
            return
        with io.BufferedReader(BlockStream(_recoded(path, stream, encoding)), BUFFER_BYTES) as recoded:
            yield recoded


def _recoded(path: Path, stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a text in another encoding as UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    block, read = b"more", 0
    while block:
        block = stream.read(_RECODED_BYTES)
        try:
            yield decoder.decode(block, final=not block).encode()
        except UnicodeError as error:
            raise InputError(
                f"data file {path}: expected text in {encoding}, got something else after {read:,} bytes ({error}); "
                "give another --encoding"
            ) from None
        read += len(block)


class Budget:
    """The bytes that files may unpack to, in proportion to those that they have.

    Args:
        packed: the files' bytes.
    """

    def __init__(self, packed: int) -> None:
        self._left = LITTLE_BYTES + MOST_TIMES * packed

    def has(self, size: int) -> bool:
        """Spend so many bytes, and return whether they were there."""
        self._left -= size
        return self._left >= 0

    def has_text(self, text: str) -> bool:
        """Do what ``has`` does for a text's bytes in UTF-8."""
        return self.has(len(text) if text.isascii() else len(text.encode()))


def unpack(path: Path, target: IO[bytes], on_bytes: OnBytes | None = None) -> None:
    """Decompress a file of what is packed already into ``target``.

    Raises:
        InputError: it is not whole, or it would fill the disk.
    """
    budget = Budget(path.stat().st_size)
    with open_data(path, on_bytes) as stream:
        while block := stream.read(BUFFER_BYTES):
            if not budget.has(len(block)):
                raise InputError(
                    f"data file {path}: it unpacks to more than {MOST_TIMES} times its {path.stat().st_size:,} bytes; "
                    "if that is meant, unpack it first"
                )
            target.write(block)


class TextLines:
    """Iterate over a stream's lines as text, ends included, without a byte-order mark.

    Args:
        stream: what to read.
        name: names the file in error messages.
        drops_long: whether what is too long for a row becomes an empty line, where it is an error otherwise.

    Attributes:
        name: names the file.
        number: how many lines have been read; while a line is looked at, its number counted from 1.
        ended_whole: whether the last line read ended with a line feed.
    """

    def __init__(self, stream: IO[bytes], name: str, *, drops_long: bool = False) -> None:
        self._stream, self.name, self._drops_long = stream, name, drops_long
        self._row_line, self._row_bytes = 1, 0
        self.number = 0
        self.ended_whole = True

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; ``UnicodeDecodeError`` for one that is not UTF-8, whose number is then ``number``.

        A row may have several of them: ``begin_row`` says where one begins.
        """
        return map(decode_line, self._lines())

    def raw(self) -> Iterator[bytes]:
        """Yield the lines as bytes, a row each."""
        for line in self._lines():
            self.begin_row()
            yield line

    def begin_row(self) -> None:
        """Say that what comes next is another row."""
        self._row_line, self._row_bytes = self.number + 1, 0

    def _lines(self) -> Iterator[bytes]:
        while line := self._stream.readline(MAX_ROW_BYTES - self._row_bytes + 1):
            self.number += 1
            self._row_bytes += len(line)
            if self._row_bytes > MAX_ROW_BYTES:
                if not self._drops_long:
                    raise row_too_long(f"{self.name}: the row that begins in line {self._row_line}")
                while not line.endswith(b"\n") and (further := self._stream.readline(BUFFER_BYTES)):
                    line = further
                self.ended_whole = line.endswith(b"\n")
                self.begin_row()
                yield b""
                continue
            self.ended_whole = line.endswith(b"\n")
            if self.number == 1 and line.startswith(_BYTE_ORDER_MARK):
                line = line[len(_BYTE_ORDER_MARK) :]
            yield line


def decode_line(line: bytes) -> str:
    """Return a line's text.

    Raises:
        UnicodeDecodeError: it is not UTF-8, or holds NUL, which no text does; UTF-16 without a mark would pass for it.
    """
    if (place := line.find(0)) >= 0:
        raise UnicodeDecodeError(
            "utf-8", line, place, place + 1, "NUL, which UTF-16 is full of, and a text has none of"
        )
    return line.decode()


def row_too_long(where: str) -> RowError:
    """Return the error for a row that would take too much memory; ``where`` names the file and the row."""
    return RowError(
        f"{where}: expected at most {MAX_ROW_BYTES:,} bytes, got more; cut the text, of which a teacher reads the "
        "beginning alone (or is a line feed, or the end of a quotation, missing?)"
    )


def not_utf8(where: str, error: UnicodeDecodeError) -> RowError:
    """Return the error for text that is not UTF-8; ``where`` names the file and the row."""
    return RowError(
        f"{where}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x} ({error.reason}); "
        "convert the file to UTF-8, or give its --encoding, such as latin-1"
    )
