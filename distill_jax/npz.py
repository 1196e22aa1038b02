"""Read an archive of NumPy arrays that may be damaged or hostile. Shared by both halves; NumPy alone.

Nothing is unpickled, and no more memory is taken than the file's size justifies: an array's declared shape is checked
against its bytes before they are read.
"""

import errno
import io
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from distill_jax.errors import InputError, MissingInputError
from distill_jax.zip_members import unpacks_in_pieces

_MOST_TIMES = 100  # what an archive's arrays may be larger than the archive, beside a little more
_LITTLE = 1 << 24  # bytes
_LONGEST_HEADER = 1 << 14  # bytes of an array's header; NumPy takes 10,000
_BRACKETS = 16  # in one, at most: a shape has one pair and the header another


def read_npz(
    path: Path, what: str, names: Sequence[str] | None = None, optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file.

    Args:
        path: the file.
        what: what it is, for messages: ``part``.
        names: the arrays that must be there, and alone are read; None = whatever there is.
        optional: those that are read too where they are there.

    Raises:
        MissingInputError: there is no such file.
        InputError: it is no archive of plain arrays, or an array is missing; the message names the file.
        OSError: it cannot be read.
    """
    where = f"{what} {path}"
    try:
        # Opened here, for a broken archive would be left open.
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = list(members) if names is None else names
            missing = [name for name in wanted if name not in members]
            if missing:
                raise InputError(f"{where}: missing array {missing[0]}; it has {sorted(members)}")
            wanted = [*wanted, *(name for name in optional if name in members and name not in wanted)]
            _require_size(sum(members[name].file_size for name in wanted), path.stat().st_size)
            return {name: _array(_content(archive, members[name])) for name in wanted}
    except FileNotFoundError:
        raise MissingInputError(f"{where}: expected a file, found none") from None
    except InputError:
        raise
    except _PickledError as error:
        raise InputError(f"{where}: expected plain arrays without pickles ({error})") from None
    # A damaged archive makes zipfile and NumPy raise nearly anything, EINVAL for places before its beginning too.
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise InputError(f"{where}: expected a NumPy .npz file, got something else ({_reason(error)})") from None


def read_npy(path: Path, what: str) -> np.ndarray:
    """Return the array of an ``.npy`` file; arguments and errors as for ``read_npz``."""
    where = f"{what} {path}"
    try:
        return _array(path.read_bytes())
    except FileNotFoundError:
        raise MissingInputError(f"{where}: expected a file, found none") from None
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - NumPy's reader of headers raises nearly anything
        raise InputError(f"{where}: expected a NumPy array, got something else ({_reason(error)})") from None


def npy_shape(path: Path, what: str) -> tuple[int, ...]:
    """Return the shape that an ``.npy`` file declares, where its size agrees; the file is there."""
    where = f"{what} {path}"
    try:
        with path.open("rb") as stream:
            shape, _, dtype = _header(stream)
            expected, found = math.prod(shape) * dtype.itemsize, path.stat().st_size - stream.tell()
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - NumPy's reader of headers raises nearly anything
        raise InputError(f"{where}: expected a NumPy array, got something else ({_reason(error)})") from None
    if expected != found:
        raise InputError(f"{where}: expected {expected:,} bytes for {list(shape)}, got {found:,}")
    return shape


class _PickledError(Exception):
    """An array of Python objects."""


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _require_size(declared: int, size: int) -> None:
    if declared > _LITTLE + _MOST_TIMES * size:
        raise ValueError(f"{declared:,} bytes in an archive of {size:,}")


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if not unpacks_in_pieces(member):
        raise ValueError(f"{member.filename} is packed by method {member.compress_type}")
    return archive.read(member)


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, whether columns come first, and type; the stream is then at the array's first byte."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"NumPy's format {version[0]}.{version[1]}")
    # NumPy gives it to Python's parser, which need not see what no header of a plain array has.
    start = stream.tell()
    if sum(map(stream.read(_LONGEST_HEADER).split(b"\n")[0].count, (b"(", b"[", b"{"))) > _BRACKETS:
        raise ValueError("a header of many brackets")
    stream.seek(start)
    header: tuple[tuple[int, ...], bool, np.dtype] = read(stream)
    return header


def _array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    shape, in_columns, dtype = _header(stream)
    if dtype.hasobject:
        raise _PickledError(f"an array of {dtype}")
    expected, found = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
    if any(extent < 0 for extent in shape) or expected != found:
        raise ValueError(f"an array of {dtype} {list(shape)} has {expected:,} bytes, not {found:,}")
    array = np.frombuffer(content, dtype, offset=stream.tell())
    return array.reshape(shape, order="F" if in_columns else "C")
