"""Inputs of some megabytes that are made to take far more memory than they have bytes."""

import bz2
import contextlib
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np

from scripts.benchmark.synthetic import CLASSES

Write = Callable[[Path, int], object]
"""Writes a file of about so many bytes."""

HEADER = b"text,label\n"
# Rows of every class, so that the table is a good one but for what it is made for.
ROWS = b"".join(b"a b,class %d\n" % (row % CLASSES) for row in range(3000))
JSON_ROWS = b"".join(b'{"text": "a b", "label": "class %d"}\n' % (row % CLASSES) for row in range(3000))
_BLOCK = 1 << 20
_HUGE_TEXT_BYTES = 20_000_000


def fill(unit: bytes, head: bytes = b"", tail: bytes = b"") -> Write:
    """Return what writes ``head``, then ``unit`` again and again, then ``tail``."""

    def write(path: Path, size: int) -> None:
        with _opened(path) as stream:
            stream.write(head)
            block = unit * max(1, _BLOCK // len(unit))
            for _ in range(max(1, size // len(block))):
                stream.write(block)
            stream.write(tail)

    return write


def different_words(end: bytes) -> Write:
    """Return what writes lines of a word each, no two alike, and ``end``."""

    def write(path: Path, size: int) -> None:
        with path.open("wb") as stream:
            for number in range(size // (7 + len(end))):
                stream.write(b"w%06d" % number + end)

    return write


def packed(write: Write, times: int) -> Write:
    """Return what writes the same, ``times`` as large, packed as the end of the file's name says."""
    return lambda path, size: write(path, size * times)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing, packed as its name says."""
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a.csv", "w", force_zip64=True) as zipped,
        ):
            yield zipped
        return
    if path.suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            yield stream
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with openers.get(path.suffix, open)(path, "wb") as stream:
        yield stream


@contextlib.contextmanager
def _parquet_writer(path: Path, columns: list[str]) -> Iterator[Callable[..., None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in columns])
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=True, write_statistics=False) as writer:

        def write(*values: list[str]) -> None:
            writer.write_table(pa.table(dict(zip(columns, values, strict=True)), schema=schema))

        yield write


def _labels(rows: int) -> list[str]:
    return [f"class {row % CLASSES}" for row in range(rows)]


def parquet_of_huge_values(path: Path, _: int) -> None:
    """Write a row group of values of 20 MB each, some thousand bytes on the disk."""
    with _parquet_writer(path, ["text", "label"]) as write:
        write([f"{row} " + "x" * _HUGE_TEXT_BYTES for row in range(20)], _labels(20))


def parquet_of_a_dictionary(path: Path, rows: int) -> None:
    """Write a value of 64 KB that 20,000 rows at a time name: each takes a bit on the disk, and the value in memory."""
    with _parquet_writer(path, ["text", "label"]) as write:
        for _ in range(max(1, rows // 10_000_000)):
            write(["word " * 13_000] * 20_000, _labels(20_000))


def parquet_of_many_columns(path: Path, size: int) -> None:
    """Write a file whose footer alone is large: a column for each few hundred bytes of it."""
    columns = ["text", "label", *(f"column {number}" for number in range(size // 2_000))]
    with _parquet_writer(path, columns) as write:
        write(*[["a b"] * 20, _labels(20)], *repeat(["x"] * 20, len(columns) - 2))


def tokenizer_of(words: Callable[[int], str]) -> Write:
    """Return what writes a tokenizer's file with as many made-up words as fit."""

    def write(path: Path, size: int) -> None:
        vocab, written = {"[PAD]": 0, "[UNK]": 1}, 0
        while written < size:
            word = words(len(vocab))
            vocab[word] = len(vocab)
            written += len(word) + 12
        model = {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
        parts = ("truncation", "padding", "normalizer", "post_processor", "decoder")
        content: dict[str, Any] = {"version": "1.0", **dict.fromkeys(parts), "added_tokens": [], "model": model}
        path.write_text(json.dumps({**content, "pre_tokenizer": {"type": "Whitespace"}}))

    return write


def at_most(limit: int, write: Write) -> Write:
    """Return what writes the same, of so many bytes at most."""
    return lambda path, size: write(path, min(size, limit))


def zeros_in_an_archive(path: Path, size: int) -> None:
    """Write an export's part whose arrays are zeros, a thousandth of their size on the disk."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("example_ids", "token_ids", "token_offsets", "labels", "teacher_logits"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                _zeros(stream, size * 40)


def _zeros(stream: IO[bytes], size: int) -> None:
    header = {"descr": "<i8", "fortran_order": False, "shape": (size // 8,)}
    np.lib.format.write_array_header_1_0(stream, header)
    for _ in range(size // _BLOCK):
        stream.write(bytes(_BLOCK))
