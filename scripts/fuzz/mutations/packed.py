"""Changes of what is packed in a file, and of how it is packed."""

import bz2
import gzip
import io
import lzma
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from scripts.fuzz.mutations.values import HOSTILE_TEXTS, NUMBERS, Draw

Change = Callable[[Path, Draw], str]
Pack = Callable[[bytes], bytes]

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DIRECTORY_ENTRY, _ENTRY_WORDS = b"PK\x01\x02", 21  # sixteen bits each, behind the mark


def zip_packed(content: bytes, name: str = "reviews.csv", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of one file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, method)
    return target.getvalue()


def _zip_unpacked(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def zstd_packed(content: bytes) -> bytes:
    """Return bytes packed by zstd."""
    import pyarrow as pa

    target = pa.BufferOutputStream()
    with pa.CompressedOutputStream(target, "zstd") as stream:
        stream.write(content)
    return bytes(target.getvalue())


def _zstd_unpacked(content: bytes) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())


PACKINGS: dict[str, tuple[Pack, Pack]] = {
    ".gz": (lambda content: gzip.compress(content, mtime=0), gzip.decompress),
    ".bz2": (bz2.compress, bz2.decompress),
    ".xz": (lzma.compress, lzma.decompress),
    ".zst": (zstd_packed, _zstd_unpacked),
    ".zip": (zip_packed, _zip_unpacked),
}
"""By the ending of a file's name, what packs its content and what unpacks it."""


def change_packed(path: Path, draw: Draw, change: Change) -> str:
    """Change what is packed in a file, or leave that and change how it is packed.

    Args:
        path: the file.
        draw: decides.
        change: changes what is in it.
    """
    pack, unpack = PACKINGS[path.suffix]
    content = unpack(path.read_bytes())
    if draw.random() < 0.3:
        changed, words = (_other_zip if path.suffix == ".zip" else _other_streams)(content, draw, pack)
        path.write_bytes(changed)
        return words
    inner = path.with_suffix("")
    inner.write_bytes(content)
    try:
        words = change(inner, draw)
        path.write_bytes(pack(inner.read_bytes()))
    finally:
        inner.unlink()
    return words


def _other_streams(content: bytes, draw: Draw, pack: Pack) -> tuple[bytes, str]:
    """Return the same content in several streams, or with something behind it or within."""
    place = draw.randrange(len(content) + 1)
    first, second = pack(content[:place]), pack(content[place:])
    kind = draw.choice(("two streams", "an empty stream", "padding", "text behind", "packed twice", "nothing"))
    changed = {
        "two streams": first + second,
        "an empty stream": first + pack(b"") * draw.choice((1, 50)) + second,
        "padding": first + bytes(draw.choice((1, 4, 70_000))) + second,
        "text behind": pack(content) + draw.choice((b"\n", b"x", b"text,label\n")),
        "packed twice": pack(pack(content)),
        "nothing": pack(b""),
    }
    return changed[kind], kind


def _other_zip(content: bytes, draw: Draw, _: Pack) -> tuple[bytes, str]:
    """Return a zip whose directory says something else, or holds other members."""
    kind = draw.choice(("name", "method", "two members", "folder", "directory", "directory", "directory"))
    if kind == "name":
        name = draw.choice([text for text in HOSTILE_TEXTS if "\ud800" not in text])[:60_000]
        return zip_packed(content, name), kind
    if kind == "method":
        return zip_packed(content, method=draw.choice(_METHODS)), kind
    if kind in ("two members", "folder"):
        target = io.BytesIO(zip_packed(content))
        with zipfile.ZipFile(target, "a") as archive:
            archive.writestr("more/" if kind == "folder" else "more.csv", b"" if kind == "folder" else content)
        return target.getvalue(), kind
    packed = bytearray(zip_packed(content, method=draw.choice(_METHODS)))
    entry = packed.rindex(_DIRECTORY_ENTRY) + len(_DIRECTORY_ENTRY)
    word = draw.randrange(_ENTRY_WORDS)
    hostile = draw.choice([number for number in NUMBERS if 0 <= number < 1 << 16])
    struct.pack_into("<H", packed, entry + 2 * word, hostile)
    return bytes(packed), f"directory: word {word} is {hostile}"
