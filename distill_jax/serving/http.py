"""Requests and responses over ASGI, no more of it than the service needs."""

import asyncio
import contextlib
import dataclasses
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from distill_jax.serving.limits import SLOWEST, ClientGone, Limits, Refused, too_large, too_slow

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Request:
    """A request whose body was not read yet.

    Args:
        scope: ASGI's.
        receive: ASGI's.
        limits: what is read of the body.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.method, self.path = str(scope["method"]), str(scope["path"])
        self.http_version = str(scope.get("http_version", "1.1"))
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive, self._limits = receive, limits

    def header(self, name: bytes) -> str:
        """Return a header's value, by its name in lower case; '' = it is not there."""
        return self._headers.get(name, b"").decode("latin-1")

    def media_type(self, allowed: tuple[str, ...]) -> str:
        """Return which of the allowed types the body says that it is.

        Raises:
            Refused: 415, another one, another encoding than UTF-8, or a compressed body.
        """
        kind, _, parameters = self.header(b"content-type").partition(";")
        kind, coding = kind.strip().lower(), self.header(b"content-encoding").strip().lower()
        if kind not in allowed:
            raise Refused(415, f"Content-Type: expected {' or '.join(allowed)}, got {kind[:100] or 'none'}")
        if coding not in ("", "identity"):
            raise Refused(415, f"Content-Encoding: expected a body as it is, got {coding[:100]}")
        charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
        if charset not in ("", "utf-8", "utf8", "us-ascii"):
            raise Refused(415, f"Content-Type: expected UTF-8, got charset={charset[:100]}")
        return kind

    async def body(self) -> bytes:
        """Return the whole body.

        Raises:
            Refused: 413, it is larger than allowed; 408, it does not come.
            ClientGone: the client went away.
        """
        said = self.header(b"content-length")
        if said.isascii() and said.isdigit() and int(said[:20]) > self._limits.max_body_bytes:
            raise too_large(self._limits)
        started, patience = time.monotonic(), self._limits.read_seconds
        body, more = await self._part(patience)
        while more and len(body) <= self._limits.max_body_bytes:
            left = started + patience + len(body) / SLOWEST - time.monotonic()
            part, more = await self._part(min(patience, left))
            body += part
        if len(body) > self._limits.max_body_bytes:
            raise too_large(self._limits)
        return bytes(body)

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            Refused: 408, its next part does not come.
            ClientGone: the client went away.
        """
        more = True
        while more:
            part, more = await self._part(self._limits.read_seconds)
            yield bytes(part)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[Callable[[], None]]:
        """Yield a function that raises ``ClientGone`` once the client has gone away; the whole body was read before."""

        async def gone() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        def require_there() -> None:
            if watcher.done():
                raise ClientGone

        watcher = asyncio.create_task(gone())
        try:
            yield require_there
        finally:
            watcher.cancel()

    async def _part(self, seconds: float) -> tuple[bytearray, bool]:
        """Return the body's next part, and whether there are more; it may take so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            raise too_slow(self._limits) from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return bytearray(message.get("body", b"")), message.get("more_body", False)


@dataclasses.dataclass(frozen=True)
class Response:
    """An answer: a body, or its parts as they are made.

    Attributes:
        body: the body.
        media_type: of the body.
        status: of HTTP.
        headers: further ones, by name.
    """

    body: bytes | AsyncGenerator[bytes]
    media_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    async def send(self, send: Send, *, with_body: bool = True) -> None:
        """Send it; without its body where the request's method was HEAD."""
        headers = [(b"content-type", self.media_type.encode())]
        if isinstance(self.body, bytes):
            headers.append((b"content-length", str(len(self.body)).encode()))
        headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if isinstance(self.body, bytes):
            await send({"type": "http.response.body", "body": self.body if with_body else b""})
            return
        async with contextlib.aclosing(self.body) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON."""
    return Response(json.dumps(value, ensure_ascii=False).encode(), status=status, headers=headers or {})


def refusal(refused: Refused) -> Response:
    """Return a refusal's sentence as JSON, ``{"error": …}``."""
    return json_response({"error": str(refused)}, refused.status, refused.headers)
