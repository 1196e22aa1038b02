"""Decompress what is packed in a file, as a stream: gzip, bzip2, xz, zstd, or a zip of one file."""

import bz2
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from distill_jax.errors import InputError, reason_of
from distill_jax.extras import missing_extra
from distill_jax.tables.byte_streams import BUFFER_BYTES, BlockStream, CountingFile, OnBytes
from distill_jax.zip_members import unpacks_in_pieces

_BLOCK_BYTES = 1 << 16
_XZ_MEMORY = 1 << 28  # bytes; xz -9 asks for a quarter of it
_MEMBERS_NAMED = 6
_ENCRYPTED = 1  # a bit of a member's flags


class _FollowedError(Exception):
    """Packed data is whole, and something else stands behind it."""


def _blocks(raw: IO[bytes], begin: Callable[[], Any], padding: bytes) -> Iterator[bytes]:
    """Yield what is packed in streams one after the other; ``EOFError`` where the last is not whole."""
    block, is_first = raw.read(_BLOCK_BYTES), True
    while block:
        unpacker, may_be_none = begin(), not is_first
        while not unpacker.eof:
            try:
                found = unpacker.decompress(block, BUFFER_BYTES)
            except (OSError, lzma.LZMAError):
                if may_be_none:
                    raise _FollowedError from None
                raise
            may_be_none = False
            if found:
                yield found
            block = raw.read(_BLOCK_BYTES) if unpacker.needs_input and not unpacker.eof else b""
            if unpacker.needs_input and not unpacker.eof and not block:
                raise EOFError
        block, is_first = unpacker.unused_data.lstrip(padding), False
        while not block and (further := raw.read(_BLOCK_BYTES)):
            block = further.lstrip(padding)


def _open_gzip(raw: IO[bytes]) -> IO[bytes]:
    return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]


def _open_bzip2(raw: IO[bytes]) -> IO[bytes]:
    return io.BufferedReader(BlockStream(_blocks(raw, bz2.BZ2Decompressor, b"")))


def _open_xz(raw: IO[bytes]) -> IO[bytes]:
    def begin() -> Any:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)

    return io.BufferedReader(BlockStream(_blocks(raw, begin, b"\0")))


def _open_zstandard(raw: IO[bytes]) -> IO[bytes]:
    try:
        import pyarrow as pa
    except ImportError:
        raise missing_extra("pyarrow", "reading zstd, where you do not unpack the file first,") from None
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


def _member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """Return the one file in a zip; what macOS adds is none.

    Raises:
        InputError: there are several or none, or it is encrypted.
        NotImplementedError: it is packed in a way of which the library unpacks a block at once, however large.
    """
    found = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    if len(found) != 1:
        names = ", ".join(info.filename for info in found[:_MEMBERS_NAMED]) or "no file"
        more = f" and {len(found) - _MEMBERS_NAMED} more" if len(found) > _MEMBERS_NAMED else ""
        raise InputError(
            f"data file {path}: expected one file in the zip, got {names}{more}; unpack it, and name what is meant"
        )
    if found[0].flag_bits & _ENCRYPTED:
        raise InputError(f"data file {path}: {found[0].filename} in it is encrypted; unpack it first")
    if not unpacks_in_pieces(found[0]):
        raise NotImplementedError(f"method {found[0].compress_type}")
    return found[0]


def _open_zip(raw: IO[bytes]) -> IO[bytes]:
    with _as_bad_zip():
        archive = zipfile.ZipFile(raw)
        return archive.open(_member(archive, raw.name))  # type: ignore[arg-type]


@contextlib.contextmanager
def _as_bad_zip() -> Iterator[None]:
    """Raise ``BadZipFile`` for the many things that the library raises about a zip's directory."""
    try:
        yield
    except (InputError, OSError, EOFError, MemoryError, NotImplementedError):
        raise
    except Exception as error:
        raise zipfile.BadZipFile(reason_of(error)) from error


class _Packing(NamedTuple):
    """A way of packing: its name, what its files' names end in, how their content begins, and how it is opened."""

    name: str
    suffix: str
    magics: tuple[bytes, ...]
    open: Callable[[IO[bytes]], IO[bytes]]


_ZIP = _Packing("zip", ".zip", (b"PK\x03\x04", b"PK\x05\x06"), _open_zip)
_PACKINGS = (
    _Packing("gzip", ".gz", (b"\x1f\x8b",), _open_gzip),
    _Packing("bzip2", ".bz2", (b"BZh",), _open_bzip2),
    _Packing("xz", ".xz", (b"\xfd7zXZ\0",), _open_xz),
    _Packing("zstd", ".zst", (b"\x28\xb5\x2f\xfd",), _open_zstandard),
    _ZIP,
)
PACKED = tuple(packing.suffix for packing in _PACKINGS)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")  # the first block, or none
_LONGEST_MAGIC = 10


def _packing_of(beginning: bytes) -> _Packing | None:
    """Return how a file is packed, by its first bytes; a text may begin with bzip2's first three."""
    found = next((packing for packing in _PACKINGS if beginning.startswith(packing.magics)), None)
    if found is not None and found.name == "bzip2" and not beginning[4:].startswith(_BZIP2_BLOCKS):
        return None
    return found


@contextlib.contextmanager
def unpacked(path: Path, on_bytes: OnBytes | None) -> Iterator[IO[bytes]]:
    """Open a file, and decompress what its first bytes say is packed.

    Args:
        path: the file.
        on_bytes: told of every byte read from the disk.

    Raises:
        InputError: its name ends as packed files' do and it is none; or, while it is read: packed data that ends too
            early, is damaged, or is followed by something else.
    """
    file = CountingFile(path, on_bytes)
    with io.BufferedReader(file, BUFFER_BYTES) as raw:
        packing = _packing_of(raw.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC])
        if packing is None:
            named = next((each for each in _PACKINGS if path.suffix.lower() == each.suffix), None)
            if named is not None:
                raise InputError(
                    f"data file {path}: its name ends in {named.suffix}, but it holds no {named.name} data; rename it"
                )
            yield raw
            return
        with _refusing(path, packing):
            file.on_bytes = None if packing is _ZIP else on_bytes  # its directory, at the end, is read first
            with packing.open(raw) as opened, io.BufferedReader(opened, BUFFER_BYTES) as stream:  # type: ignore[type-var]
                file.on_bytes = on_bytes
                yield stream
        if packing is _ZIP and on_bytes is not None:
            on_bytes(max(0, path.stat().st_size - file.told))


@contextlib.contextmanager
def _refusing(path: Path, packing: _Packing) -> Iterator[None]:
    """Raise ``InputError`` for what the decompressors raise."""
    what = f"data file {path}: its {packing.name} data"
    try:
        yield
    except (_FollowedError, EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the file system's, not the file's
        reason = reason_of(error)
        if isinstance(error, EOFError) or reason.startswith(("Truncated", "File is not a zip")):
            raise InputError(
                f"{what} ends too early, the file is truncated ({path.stat().st_size:,} bytes); fetch or copy it again"
            ) from None
        # Its beginning is what it should be: so this is after an end.
        if isinstance(error, _FollowedError) or "Not a gzipped" in reason or "Unknown frame" in reason:
            raise InputError(
                f"{what} is followed by something that is not {packing.name}; fetch or copy it again"
            ) from None
        raise InputError(f"{what} is damaged ({reason}); fetch or copy it again") from None
    except NotImplementedError as error:
        raise InputError(f"{what} is packed in a way that is not read ({error}); unpack it first") from None


def is_packed(path: Path) -> bool:
    """Whether a file's name ends as packed files' do."""
    return path.suffix.lower() in PACKED


def name_within(path: Path, endings: Collection[str]) -> str:
    """Return the name of what is in a file, in lower case: its own, without the ending that says how it is packed.

    A zip whose own name does not end in one of ``endings`` before that has its member's.

    Raises:
        InputError: such a zip has not one member.
    """
    name = path.name.lower()
    within = name.removesuffix(path.suffix.lower()) if is_packed(path) else name
    if within.endswith(tuple(endings)) or not name.endswith(_ZIP.suffix) or not zipfile.is_zipfile(path):
        return within
    with _refusing(path, _ZIP), _as_bad_zip(), zipfile.ZipFile(path) as archive:
        return _member(archive, path).filename.lower()
