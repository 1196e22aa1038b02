"""Texts that are too many for the memory: put into an order on the disk, and read from there like a list."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, overload

import numpy as np

_BUFFER_BYTES = 1 << 26
_BUCKETS, _BUCKET_ROWS = 512, 1 << 16  # buckets at most; rows in one, where that many buckets do
_ROWS_AT_ONCE = 4096
_WASTE = 4  # neighbouring rows are read in one where no more than so many times their number is


class TextsOnDisk(Sequence[str]):
    """Texts in a file, in UTF-8, one after the other; eight bytes each are in memory.

    Args:
        path: the file.
        offsets: int64 [n + 1], where each text begins and the last ends.
        places: int64 [m], which of the texts these are, and in what order; None = all.
    """

    def __init__(self, path: Path, offsets: np.ndarray, places: np.ndarray | None = None) -> None:
        self._path, self._offsets, self._places = path, offsets, places

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._offsets) - 1 if self._places is None else len(self._places)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return a text, or the texts of a slice; the file is read for it."""
        if isinstance(index, slice):
            return self._read(self._of(index))
        return self._read(self._of(np.array([range(len(self))[index]])))[0]

    def __iter__(self) -> Iterator[str]:
        """Yield the texts, some thousand of them in memory at a time."""
        for start in range(0, len(self), _ROWS_AT_ONCE):
            yield from self[start : start + _ROWS_AT_ONCE]

    def take(self, places: np.ndarray | slice) -> "TextsOnDisk":
        """Return the texts of these places, in their order; none is read."""
        if isinstance(places, slice) and self._places is None:
            start, stop, _ = places.indices(len(self))
            return TextsOnDisk(self._path, self._offsets[start : stop + 1])
        return TextsOnDisk(self._path, self._offsets, self._of(places))

    def _of(self, places: np.ndarray | slice) -> np.ndarray:
        if self._places is not None:
            return self._places[places]
        return np.arange(*places.indices(len(self))) if isinstance(places, slice) else places

    def _read(self, places: np.ndarray) -> list[str]:
        if not len(places):
            return []
        starts, stops = self._offsets[places], self._offsets[places + 1]
        with self._path.open("rb") as stream:
            if int(places.max()) - int(places.min()) < _WASTE * len(places):
                first = int(starts.min())
                stream.seek(first)
                content = memoryview(stream.read(int(stops.max()) - first))
                pairs = zip((starts - first).tolist(), (stops - first).tolist(), strict=True)
                return [str(content[start:stop], "utf-8") for start, stop in pairs]
            return [_text_at(stream, start, stop) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _text_at(stream: IO[bytes], start: int, stop: int) -> str:
    stream.seek(start)
    return stream.read(stop - start).decode()


def taken(texts: Sequence[str], places: np.ndarray | slice) -> Sequence[str]:
    """Return the texts of these places, in their order: in memory, or on the disk where they are there."""
    if isinstance(texts, TextsOnDisk):
        return texts.take(places)
    return texts[places] if isinstance(places, slice) else [texts[place] for place in places.tolist()]


class OrderedTexts:
    """Takes texts in any order and puts them into theirs: by buckets of neighbours, each sorted in memory.

    Args:
        folder: where the files go; it is made.
        count: how many texts there will be.
    """

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, count
        self._bucket_rows = max(_BUCKET_ROWS, -(-count // _BUCKETS))
        self._places: list[int] = []
        self._contents: list[bytes] = []
        self._size = 0

    def add(self, place: int, text: str) -> None:
        """Take in the text of a place, 0 to ``count`` - 1; each place comes once."""
        content = text.encode()
        self._places.append(place)
        self._contents.append(content)
        self._size += len(content)
        if self._size + 64 * len(self._places) > _BUFFER_BYTES:
            self._flush()

    def finish(self) -> TextsOnDisk:
        """Return the texts, all of which have come, in the order of their places."""
        self._flush()
        offsets = np.zeros(self._count + 1, np.int64)
        lengths = offsets[1:]
        path = self._folder / "texts"
        with path.open("xb") as target:
            for first in range(0, self._count, self._bucket_rows):
                self._sort(first, target, lengths)
        np.cumsum(lengths, out=lengths)
        return TextsOnDisk(path, offsets)

    def _bucket(self, number: int) -> Path:
        return self._folder / f"bucket-{number}"

    def _flush(self) -> None:
        places = np.array(self._places, np.int64)
        order = np.argsort(places, kind="stable")
        buckets = places[order] // self._bucket_rows
        for rows in np.split(order, np.flatnonzero(np.diff(buckets)) + 1):
            if not len(rows):
                continue
            contents = [self._contents[row] for row in rows.tolist()]
            block = np.stack([places[rows], np.fromiter(map(len, contents), np.int64, len(contents))])
            with self._bucket(int(places[rows[0]]) // self._bucket_rows).open("ab") as stream:
                stream.write(np.int64(len(rows)).tobytes() + block.tobytes())
                stream.writelines(contents)
        self._places, self._contents, self._size = [], [], 0

    def _sort(self, first: int, target: IO[bytes], lengths: np.ndarray) -> None:
        """Write the texts of one bucket in their order, and note their lengths."""
        path = self._bucket(first // self._bucket_rows)
        rows = min(self._bucket_rows, self._count - first)
        found: list[bytes | None] = [None] * rows
        with path.open("rb") as stream:
            while head := stream.read(8):
                count = int(np.frombuffer(head, np.int64)[0])
                places, sizes = np.frombuffer(stream.read(16 * count), np.int64).reshape(2, count)
                lengths[places] = sizes
                for place, size in zip((places - first).tolist(), sizes.tolist(), strict=True):
                    found[place] = stream.read(size)
        path.unlink()
        target.writelines(content for content in found if content is not None)
