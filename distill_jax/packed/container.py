"""The container of a packed student: named streams of bytes and a text about them, under one checksum.

It is a safetensors file, so that whoever has that library sees what is in it: the streams are its arrays of bytes.
"""

import hashlib
import json
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import parse_json

FORMAT = "distill-jax packed student"
VERSION = 1
_NO_DIGEST = "0" * 64
_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 8
_LONGEST_HEADER = 1 << 24
_LARGEST = 1 << 30


def container_bytes(manifest: Mapping[str, Any], streams: Mapping[str, bytes]) -> bytes:
    """Return the content of a file.

    Args:
        manifest: what the streams are, as JSON values.
        streams: the bytes by name.
    """
    about = {"format": FORMAT, "version": str(VERSION), "sha256": _NO_DIGEST}
    header: dict[str, Any] = {"__metadata__": {**about, "manifest": _json(manifest)}}
    start = 0
    for name, content in streams.items():
        offsets = [start, start + len(content)]
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": offsets}
        start += len(content)
    text = _json(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    content = b"".join([_LENGTH.pack(len(text)), text, *streams.values()])
    return content.replace(_NO_DIGEST.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def read_container(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the manifest and the streams of a file, every byte of which is as it was written.

    Raises:
        MissingInputError: there is no such file.
        InputError: it is another kind of file, of another version, or damaged.
        OSError: it cannot be read.
    """
    where = f"packed student {path}"
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{where}: expected a file, got a folder; of a run, python -m distill_jax.pack makes one")
        if not stat.S_ISREG(found.st_mode):  # a pipe would be waited for
            raise InputError(f"{where}: expected a file, found a pipe or a device")
        if found.st_size > _LARGEST:
            raise InputError(f"{where}: expected at most {_LARGEST:,} bytes, got {found.st_size:,}")
        with path.open("rb") as stream:
            return _parsed(stream.read(_LARGEST + 1), where)
    except FileNotFoundError:
        raise MissingInputError(f"{where}: expected a file, found none") from None


def is_container(path: Path) -> bool:
    """Return whether a file begins as a packed student does, damaged or not."""
    with path.open("rb") as stream:
        beginning = stream.read(_LENGTH.size + 256)
    return f'"format":"{FORMAT}"'.encode() in beginning


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _parsed(content: bytes, where: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    header, data = _header(content, where)
    about = header.pop("__metadata__", None)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{where}: expected a file of python -m distill_jax.pack, got another safetensors file")
    if about.get("version") != str(VERSION):
        raise InputError(
            f"{where}: its version is {about.get('version')!r}, this program reads {VERSION}; use the distill-jax that "
            "wrote it, or pack the run again"
        )
    _require_digest(content, about, where)
    try:
        manifest = parse_json(about["manifest"].encode(), f"{where}: manifest")
        streams = _streams(header, data)
    except InputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: expected a manifest and streams, got something else ({error})") from None
    return manifest, streams


def _header(content: bytes, where: str) -> tuple[dict[str, Any], memoryview]:
    start = _LENGTH.size
    length = _LENGTH.unpack(content[:start])[0] if len(content) >= start else _LONGEST_HEADER + 1
    if length > min(_LONGEST_HEADER, len(content) - start):
        raise InputError(f"{where}: expected a packed student, got a file that is none, or the beginning of one")
    try:
        header = json.loads(content[start : start + length])
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{where}: expected a packed student, got something else or a damaged file ({error})"
        ) from None
    if not isinstance(header, dict):
        raise InputError(f"{where}: expected a packed student, got something else")
    return header, memoryview(content)[start + length :]


def _require_digest(content: bytes, about: Mapping[str, Any], where: str) -> None:
    digest = str(about.get("sha256")).encode()
    undigested = content.replace(digest, _NO_DIGEST.encode(), 1) if len(digest) == len(_NO_DIGEST) else b""
    if hashlib.sha256(undigested).hexdigest().encode() != digest:
        raise InputError(f"{where}: it is not as it was written: copy it again, or pack the run again")


def _streams(header: Mapping[str, Any], data: memoryview) -> dict[str, bytes]:
    """Return the streams, which follow each other: two that shared their bytes would take more than the file has."""
    streams, end = {}, 0
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        if entry["dtype"] != "U8" or not end == start <= stop <= len(data) or entry["shape"] != [stop - start]:
            raise ValueError(f"a stream {entry}, of {len(data)} bytes, of which {end} are others'")
        streams[name], end = bytes(data[start:stop]), stop
    return streams
