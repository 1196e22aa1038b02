"""Streams of bytes: a file that tells how far it has been read, and blocks that are made one after the other."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

BUFFER_BYTES = 1 << 20

OnBytes = Callable[[int], object]
"""Told how many more bytes of the file, as it lies on the disk, have been read."""


class CountingFile(io.RawIOBase):
    """A file that reports how far it has been read.

    Attributes:
        name: its path.
        on_bytes: whom it tells; None = nobody.
        told: the bytes told of.
    """

    def __init__(self, path: Path, on_bytes: OnBytes | None) -> None:
        self._stream, self.name = path.open("rb", buffering=0), path
        self.on_bytes, self.told = on_bytes, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: the directory of a zip is at its end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer, and tell how much that was."""
        count = self._stream.readinto(buffer) or 0
        if self.on_bytes is not None:
            self.told += count
            self.on_bytes(count)
        return count

    def close(self) -> None:
        """Close it."""
        self._stream.close()
        super().close()


class BlockStream(io.RawIOBase):
    """What an iterator yields, as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._ready = blocks, b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer; what does not fit stays for the next time."""
        while not self._ready:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._ready = block
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
