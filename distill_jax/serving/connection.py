"""A client's connection: uvicorn's, closed where its request's head is too large, or where nothing moves any more."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LARGEST_HEAD = 64 << 10  # bytes; the last part that comes of a head may exceed it, as far as a read goes


class Connection(HttpToolsProtocol):
    """HTTP/1.1 by httptools.

    A head, the request's line and headers, is read whole before the application hears of it: its size and time are
    bounded here. A client that takes nothing of its answer would hold the application for ever, and is cut off.

    Args:
        seconds: how long a head may take, and how long a client may take nothing of what waits for it.
        options: as uvicorn gives them.
    """

    def __init__(self, *, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self._seconds = seconds
        self._heads, self._head_bytes, self._is_in_body = 0, 0, False
        self._head_end: asyncio.TimerHandle | None = None
        self._write_end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        self._stop_waiting_for_head()
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, and measure the head that it leaves unfinished."""
        heads = self._heads
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            return
        self._wait_for_head()  # and for the rest of a body that was answered already
        if heads == self._heads and not self._is_in_body:
            self._head_bytes += len(data)
            if self._head_bytes > _LARGEST_HEAD:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Count a head."""
        super().on_message_begin()
        self._heads += 1
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Have a whole head."""
        self._stop_waiting_for_head()
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Have a whole request."""
        self._is_in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        if self._write_end is None:
            self._write_end = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Write again."""
        self._stop_waiting_for_reader()
        super().resume_writing()

    def _wait_for_head(self) -> None:
        if self._head_end is None:
            self._head_end = self.loop.call_later(self._seconds, self.transport.abort)

    def _stop_waiting_for_head(self) -> None:
        if self._head_end is not None:
            self._head_end.cancel()
            self._head_end = None

    def _stop_waiting_for_reader(self) -> None:
        if self._write_end is not None:
            self._write_end.cancel()
            self._write_end = None
