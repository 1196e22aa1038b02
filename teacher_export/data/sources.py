"""Open a data file of any size as a stream of bytes or lines: gzip, progress, and what can be wrong with it."""

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from distill_jax.errors import InputError, MissingInputError

_BUFFER_BYTES = 1 << 20
MAX_ROW_BYTES = 1 << 24  # Python's lists and dictionaries of a row take twenty times as much
MOST_TIMES = 8  # what texts are packed to at best, by themselves
LITTLE_BYTES = 1 << 28  # what a small file may unpack to all the same
_RECODED_BYTES = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

OnBytes = Callable[[int], object]
"""Told how many more bytes of the file, as it lies on the disk, have been read."""


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


class _CountingFile(io.RawIOBase):
    """A file that reports how far it has been read."""

    def __init__(self, path: Path, on_bytes: OnBytes | None) -> None:
        self._stream = path.open("rb", buffering=0)
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._stream.readinto(buffer) or 0
        if self._on_bytes is not None:
            self._on_bytes(count)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextlib.contextmanager
def open_data(path: Path, on_bytes: OnBytes | None = None, encoding: str = "utf-8") -> Iterator[IO[bytes]]:
    """Open a data file for reading, decompressing gzip (known by its first bytes, not by the file's name).

    Args:
        path: the file.
        on_bytes: told of every byte read from the disk.
        encoding: the text's; what is read is UTF-8.

    Raises:
        InputError: it is called ``.gz`` and is no gzip; or, while it is read: gzip data that ends too early, is
            damaged, or is followed by something else.
    """
    with _unpacked(path, on_bytes) as stream:
        if encoding == "utf-8":
            yield stream
            return
        with io.BufferedReader(_Recoded(path, stream, encoding), _BUFFER_BYTES) as recoded:
            yield recoded


class _Recoded(io.RawIOBase):
    """A stream of text in another encoding, as UTF-8."""

    def __init__(self, path: Path, stream: IO[bytes], encoding: str) -> None:
        self._path, self._stream, self._encoding = path, stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready, self._read = b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = b"more"
        while not self._ready and block:
            block = self._stream.read(_RECODED_BYTES)
            try:
                self._ready = self._decoder.decode(block, final=not block).encode()
            except UnicodeError as error:
                raise InputError(
                    f"data file {self._path}: expected text in {self._encoding}, got something else after "
                    f"{self._read:,} bytes ({error}); give another --encoding"
                ) from None
            self._read += len(block)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


@contextlib.contextmanager
def _unpacked(path: Path, on_bytes: OnBytes | None) -> Iterator[IO[bytes]]:
    with io.BufferedReader(_CountingFile(path, on_bytes), _BUFFER_BYTES) as raw:
        if not raw.peek(2).startswith(_GZIP_MAGIC):
            if path.suffix.lower() == ".gz":
                raise InputError(f"data file {path}: its name ends in .gz, but it holds no gzip data; rename it")
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as unzipped, io.BufferedReader(unzipped, _BUFFER_BYTES) as stream:
                yield stream
        except EOFError:
            raise InputError(
                f"data file {path}: its gzip data ends too early, the file is truncated "
                f"({path.stat().st_size:,} bytes); fetch or copy it again"
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            if "Not a gzipped file" in str(error):  # its beginning is: so this is after the end of a member
                raise InputError(
                    f"data file {path}: its gzip data is followed by something that is not gzip; fetch or copy it again"
                ) from None
            raise InputError(f"data file {path}: its gzip data is damaged ({error}); fetch or copy it again") from None


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
    """Decompress a gzip file of what is packed already into ``target``.

    Raises:
        InputError: it is no whole gzip, or it would fill the disk.
    """
    budget = Budget(path.stat().st_size)
    with open_data(path, on_bytes) as stream:
        while block := stream.read(_BUFFER_BYTES):
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

    Attributes:
        number: how many lines have been read; while a line is looked at, its number counted from 1.
        ended_whole: whether the last line read ended with a line feed.
    """

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
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
                raise row_too_long(f"{self._name}: the row that begins in line {self._row_line}")
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


def row_too_long(where: str) -> InputError:
    """Return the error for a row that would take too much memory; ``where`` names the file and the row."""
    return InputError(
        f"{where}: expected at most {MAX_ROW_BYTES:,} bytes, got more; cut the text, of which a teacher reads the "
        "beginning alone (or is a line feed, or the end of a quotation, missing?)"
    )


def not_utf8(where: str, error: UnicodeDecodeError) -> InputError:
    """Return the error for text that is not UTF-8; ``where`` names the file and the row."""
    return InputError(
        f"{where}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x} ({error.reason}); "
        "convert the file to UTF-8, or give its --encoding, such as latin-1"
    )
