"""Ask an ASGI application in this process, as a server would."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


def run(coroutine):
    """Return a coroutine's result, from a thread of its own: in this one a browser's loop may be running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.decode().split("\n")[:-1]]


def scope_of(method, path, content_type=None, **headers):
    """Return the scope of a request."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        named["content-type"] = content_type
    found = [(name.encode(), str(value).encode("latin-1")) for name, value in named.items()]
    return {"type": "http", "method": method, "path": path, "headers": found, "query_string": b""}


async def ask(app, method, path, parts=(b"",), content_type=None, *, waits=False, leaves=False, **headers):
    """Return the answer to a request whose body comes in parts.

    Args:
        app: the application.
        method: HTTP's.
        path: decoded.
        parts: of the body.
        content_type: the body's.
        waits: after the parts the client is silent, and does not end the body.
        leaves: after the parts the client goes away; else it waits for its answer.
        headers: further ones.
    """
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if not waits:
        messages[-1]["more_body"] = False
    sent = []

    async def receive():
        if messages:
            return messages.pop(0)
        if not leaves:
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope_of(method, path, content_type, **headers), receive, send)
    if not sent:
        return None
    body = b"".join(message.get("body", b"") for message in sent[1:])
    given = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], given, body)


def get(app, path, method="GET"):
    """Return the answer to a GET."""
    return run(ask(app, method, path))


def post(app, path, body, content_type="application/json", **headers):
    """Return the answer to a POST; a body that is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return run(ask(app, "POST", path, (content,), content_type, **headers))
