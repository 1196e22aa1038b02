"""httptools' parser of requests, for which an offer of another protocol is one more header."""

from typing import Any

import httptools

_OF_A_BODY = (b"content-length", b"transfer-encoding")


class RequestParser:
    """Reads requests of HTTP/1.1 as they come.

    A client may offer to go on in another protocol (``Upgrade: h2c``, as the JDK's does), and a server that does not
    take it reads on (RFC 9110, section 7.8). httptools ends the request there, without its body: another parser of it
    reads the body then, and what follows.

    Args:
        connection: is called back as httptools does, and has the head's ``headers``.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._parser = _parser(connection)

    def feed_data(self, data: bytes) -> None:
        """Read what came.

        Raises:
            httptools.HttpParserError: it is no HTTP.
        """
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offered:
                rest = rest[offered.args[0] :]
                self._leave_offer_out()
            else:
                return

    @property
    def is_cut_short(self) -> bool:
        """Whether the request that is said to be complete has a body yet to come, or none."""
        return bool(self._parser.should_upgrade())

    def should_upgrade(self) -> bool:
        """Return that it goes on in HTTP/1.1."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def _leave_offer_out(self) -> None:
        """Go on with a parser that reads the head of the request without the offer."""
        self._parser = _parser(_BodyFirst(self._connection))
        lines = [b"%b: %b\r\n" % line for line in self._connection.headers if line[0] in _OF_A_BODY]
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines))


def _parser(callbacks: Any) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(callbacks)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does, to answer before what it refuses
    return parser


class _BodyFirst:
    """Passes on what a connection is told, but for the first head, which it knows."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._knows_head = connection, True

    def on_message_begin(self) -> None:
        if not self._knows_head:
            self._connection.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._knows_head:
            self._connection.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._knows_head:
            self._connection.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._knows_head:
            self._connection.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._connection.on_body(body)

    def on_message_complete(self) -> None:
        self._knows_head = False
        self._connection.on_message_complete()
