"""A connection: who sends what is no HTTP, or goes, harms no whole request before it."""

import asyncio
import functools

import pytest

from asgi import run
from distill_jax.extras import EXTRAS, are_installed

pytestmark = pytest.mark.skipif(
    not are_installed(*EXTRAS["serve"]), reason="needs the extra serve: pip install 'distill-jax[serve]'"
)
_WHOLE = b"POST /whole-%d HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"
_STREAM = b"POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_GARBAGE = b"this is no HTTP\r\n\r\n"


class _App:
    """Answers each request with its path, when it is let; a stream is answered while it comes."""

    def __init__(self):
        self.may_answer, self.heard = asyncio.Event(), []
        self.is_gone = asyncio.Event()

    async def __call__(self, scope, receive, send):
        path = scope["path"].encode()
        self.heard.append(path)
        if path == b"/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (message := await receive())["type"] == "http.request" and message["more_body"]:
            pass
        if path == b"/watched":
            assert (await receive())["type"] == "http.disconnect"
        if message["type"] == "http.disconnect" or path == b"/watched":
            self.is_gone.set()
            return
        await self.may_answer.wait()
        headers = [(b"content-length", b"%d" % len(path))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": path})


def _talk(client):
    """Return what a client, a coroutine function, gives of an application, a reader and a writer."""
    import uvicorn
    from uvicorn.server import ServerState

    from distill_jax.serving.connection import Connection
    from distill_jax.serving.limits import Limits

    async def talk():
        app, loop = _App(), asyncio.get_running_loop()
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, date_header=False)
        make = functools.partial(Connection, limits=Limits(), config=config, server_state=ServerState(), app_state={})
        server = await loop.create_server(make, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(60):
                return await client(app, reader, writer)
        finally:
            writer.close()
            server.close()

    return run(talk())


async def _heard(app, count):
    while len(app.heard) < count:
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("behind", [_GARBAGE, _STREAM + b"no length\r\n", _STREAM + b"2\r\nok\r\nno length\r\n"])
@pytest.mark.parametrize("whole", [1, 3])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_no_http_is_refused_behind_the_answers_to_whole_requests(whole, behind, at_once):
    async def client(app, reader, writer):
        writer.write(b"".join(_WHOLE % number for number in range(whole)) + (behind if at_once else b""))
        await _heard(app, 1)
        await asyncio.sleep(0.1)
        writer.write(_GARBAGE if at_once else behind)  # more of it, which is dropped, or all of it
        await asyncio.sleep(0.1)
        app.may_answer.set()
        return await reader.read(), app.heard

    found, heard = _talk(client)
    assert found.count(b"HTTP/1.1 200 OK\r\n") == whole
    assert [found.count(b"/whole-%d" % number) for number in range(whole)] == [1] * whole
    refusal = b"HTTP/1.1 400 Bad Request\r\n"
    assert found.count(refusal) == 1
    assert found.index(refusal) > found.rindex(b"/whole-%d" % (whole - 1))
    assert heard == [b"/whole-%d" % number for number in range(whole)]


def test_what_is_no_http_ends_the_answer_to_its_own_request_without_another_in_it():
    async def client(app, reader, writer):
        writer.write(_STREAM)
        await reader.readuntil(b"begun")
        writer.write(b"no length\r\n")
        return await reader.read()

    assert _talk(client) == b"\r\n"  # the chunk's end, and no last chunk


@pytest.mark.parametrize("behind", [b"", _WHOLE % 1, (_WHOLE % 1) * 3])
def test_a_request_hears_that_its_client_has_gone_whatever_came_behind_it(behind):
    async def client(app, reader, writer):
        del reader
        writer.write(b"GET /watched HTTP/1.1\r\n\r\n" + behind)
        await _heard(app, 1)
        writer.transport.abort()
        await app.is_gone.wait()
        return app.heard

    assert _talk(client) == [b"/watched"]
