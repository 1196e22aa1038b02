"""A client's connection: uvicorn's, closed where headers are too large, or where nothing moves any more."""

import array
import asyncio
import contextlib
import sys
from typing import Any, TypeGuard

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from distill_jax.serving.limits import Limits
from distill_jax.serving.request_parser import RequestParser
from distill_jax.serving.timer import Timer

_MOST_HEADERS = 64 << 10  # bytes, of whole pieces
_PIECE = 16 << 10  # bytes that are parsed at once


class _Flow(FlowControl):
    """The control of a connection's flow, for which nothing is to be read while bytes wait to be parsed."""

    def __init__(self, transport: asyncio.Transport, unparsed: bytearray) -> None:
        super().__init__(transport)
        self._unparsed = unparsed

    def resume_reading(self) -> None:
        """Read again, unless bytes wait."""
        if not self._unparsed:
            super().resume_reading()


class Connection(HttpToolsProtocol):
    """HTTP/1.1 by httptools.

    A head, the request's line and headers, is read whole before the application hears of it, and so are the headers
    that may follow a body in chunks: their size and a head's time are bounded here. What a client sends before it has
    its answer is parsed when its turn comes, for a thousand small requests take a hundred times their bytes. A client
    that takes nothing of its answer would hold the application for ever, and is cut off. What is no HTTP is refused
    when the whole requests before it are answered, and a client that goes ends the request that is answered.

    Args:
        limits: how long a head may take, and how long a client may take nothing of what waits for it.
        options: as uvicorn gives them.
    """

    def __init__(self, *, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self.parser = RequestParser(self)
        self._unparsed, self._holds = bytearray(), False
        self._header_bytes, self._moves = 0, False
        self._head_end = Timer(self.loop, limits.read_seconds)
        self._write_end = Timer(self.loop, limits.write_seconds)
        self._answered: RequestResponseCycle | None = None  # the request whose turn it is, or was
        self._refusal: str | None = None  # why nothing more is read

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a head."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self._unparsed)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing, and end the request that is answered: uvicorn tells only the last that came."""
        self._unparsed.clear()
        self.pipeline.clear()
        self._head_end.stop()
        self._write_end.stop()
        if self._is_answering(self._answered):
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as its turn has come."""
        self._unparsed += data
        self._parse()

    def on_response_complete(self) -> None:
        """Have answered a request; it is the next one's turn."""
        super().on_response_complete()
        if self._refusal is None:
            self._parse()
        elif not self._is_answering(self._answered) and not self.transport.is_closing():
            super().send_400_response(self._refusal)

    def send_400_response(self, msg: str) -> None:
        """Refuse what came, behind the answers to the whole requests before it."""
        self._refusal = msg
        self._unparsed.clear()
        if self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()  # the last that came, without its end
        self.flow.resume_reading()  # what is not read would make the system drop answers when this closes
        if not self._is_answering(self._answered):
            super().send_400_response(msg)
        elif self._answered.more_body:  # it is what came
            if self._answered.response_started:
                self.transport.close()  # an answer without its end
            else:
                super().send_400_response(msg)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    @staticmethod
    def _is_answering(cycle: RequestResponseCycle | None) -> TypeGuard[RequestResponseCycle]:
        return cycle is not None and not cycle.response_complete

    def _parse(self) -> None:
        """Parse piece by piece, until a request waits for the answer to the one before it."""
        if self._refusal is not None:
            self._unparsed.clear()
        while self._unparsed and not self.pipeline and not self.transport.is_closing():
            piece = bytes(self._unparsed[:_PIECE])
            del self._unparsed[:_PIECE]
            self._parse_piece(piece)
        if self._unparsed:
            self._holds = True
            self.flow.pause_reading()
        elif self._holds and not self.pipeline:
            self._holds = False
            self.flow.resume_reading()

    def _parse_piece(self, data: bytes) -> None:
        """Parse, and measure what neither begins a request nor is of a body."""
        self._moves = False
        super().data_received(data)
        self._header_bytes = 0 if self._moves else self._header_bytes + len(data)
        if self._header_bytes > _MOST_HEADERS:
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            self._wait_for_head()  # and for the rest of a body that was answered already

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._moves = True
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Have a part of a body."""
        self._moves = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Have a whole head."""
        self._head_end.stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Have a whole request, unless the parser says so of one that has only offered another protocol."""
        if not self.parser.is_cut_short:
            super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        if not self._write_end.runs:
            self._write_end.begin(self._require_reader, self._unread_bytes())

    def resume_writing(self) -> None:
        """Write again."""
        self._write_end.stop()
        super().resume_writing()

    def _wait_for_head(self) -> None:
        if not self._head_end.runs:
            self._head_end.begin(self.transport.abort)

    def _require_reader(self, before: int) -> None:
        """Cut the client off if it has read nothing; one that reads slowly goes on.

        A system tells of what was read when a sixteenth of its buffer is free again, of up to some megabytes.
        """
        unread = self._unread_bytes()
        if unread < before:
            self._write_end.begin(self._require_reader, unread)
        else:
            self.transport.abort()

    def _unread_bytes(self) -> int:
        """Return how many bytes wait for the client, here and in the system, where it says so."""
        found = int(self.transport.get_write_buffer_size())
        if sys.platform == "linux":
            import fcntl
            import termios

            queued = array.array("i", [0])
            with contextlib.suppress(OSError):  # of a socket TIOCOUTQ is SIOCOUTQ
                fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
            found += queued[0]
        return found
