"""Loaders of what a service is given: the bodies of requests, and the file that it serves."""

import asyncio
import functools
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.errors import one_line
from scripts.fuzz import corpus
from scripts.fuzz.corpus_tables import BODIES
from scripts.fuzz.loaders.loader import Loader, require
from scripts.fuzz.mutations.values import HOSTILE_TEXTS

if TYPE_CHECKING:
    from distill_jax.serving.app import App

_PATHS = ("/predict", "/predict", "/predict", "/explain", "/models/student/predict", "/models/x/predict", "/info")
_KINDS = ("application/json", "application/x-ndjson", "text/plain", "text/plain; charset=utf-16", "", "x" * 3_000)
_REFUSALS = (400, 404, 405, 408, 413, 415, 422, 429)


@functools.cache
def _app(packed: Path) -> "App":
    from distill_jax.serving.app import App
    from distill_jax.serving.limits import Limits
    from distill_jax.serving.models import read_models

    limits = Limits(max_body_bytes=200_000, max_texts=200, max_characters=20_000, read_seconds=5)
    return App(read_models([packed]), limits)


async def _ask(
    app: "App", method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]
) -> Any:
    """Return the status and the body of an answer; a request that asks for more than there is has gone away."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    waiting[-1]["more_body"] = False
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()  # a client that goes gets no answer
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    require(bool(sent) and not sent[-1].get("more_body"), "an answer without an end")
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def _body(kind: str) -> Any:
    def read(path: Path, draw: random.Random) -> None:
        app = _app(path.parent / corpus.PACKED)
        named = kind if draw.random() < 0.9 else draw.choice(_KINDS)
        content, cuts = path.read_bytes(), draw.choice((0, 1, 5))
        places = [0, *sorted(draw.randrange(len(content) + 1) for _ in range(cuts)), len(content)]
        parts = [content[start:end] for start, end in itertools.pairwise(places)]
        headers = [(b"content-type", named.encode())]
        if draw.random() < 0.1:
            headers.append(draw.choice(((b"content-length", b"9" * 30), (b"content-encoding", b"gzip"))))
        path_ = draw.choice((*_PATHS, *HOSTILE_TEXTS)) if draw.random() < 0.2 else "/predict"
        method = "POST" if draw.random() < 0.95 else draw.choice(("GET", "HEAD", "\x1b[31m", "x" * 70_000))
        status, answer = asyncio.run(_ask(app, method, path_, headers, parts))
        require(status == 200 or status in _REFUSALS, f"status {status}")
        if method == "HEAD":
            return
        if status != 200:
            _check_refusal(answer)
        elif method == "POST" and path_.endswith("predict"):
            _check(answer, named)

    return read


def _check_refusal(answer: bytes) -> None:
    """Require of a refusal that it is one sentence."""
    error = json.loads(answer)["error"]
    require(bool(error.strip()) and one_line(error) == error, "a refusal that is no sentence")


def _check(answer: bytes, kind: str) -> None:
    """Require of answers that each is a class with the probabilities of all, or, in a stream, a sentence."""
    is_json = kind == "application/json"
    found = json.loads(answer)["predictions"] if is_json else [json.loads(line) for line in answer.splitlines()]
    for each in found:
        if "error" in each and kind == "application/x-ndjson":
            continue
        shares = each["probabilities"]
        require(each["label"] in shares and abs(sum(shares.values()) - 1) < 1e-3, "an answer that is none")


def _file(path: Path, _: random.Random) -> None:
    """Serve a packed student: what is said of it, its page, its numbers."""
    from distill_jax.serving.app import App
    from distill_jax.serving.limits import Limits
    from distill_jax.serving.models import read_models

    app = App(read_models([path]), Limits())
    for page in ("/", "/docs", "/openapi.json", "/info", "/metrics", "/models"):
        status, answer = asyncio.run(_ask(app, "GET", page, [], [b""]))
        require(status == 200 and bool(answer.decode()), f"status {status} of {page}")
    texts = json.dumps({"texts": ["w1 w2", ""]}).encode()
    for page in ("/predict", "/explain"):
        headers = [(b"content-type", b"application/json")]
        status, answer = asyncio.run(_ask(app, "POST", page, headers, [texts]))
        if status == 422:  # a tokenizer may know no token for what it does not know
            _check_refusal(answer)
            continue
        require(status == 200 and len(next(iter(json.loads(answer).values()))) == 2, f"status {status} of {page}")


LOADERS = (
    *(
        Loader(f"serve-{name}", f"{BODIES}/{file}", _body(kind), beside=(corpus.PACKED,))
        for name, file, kind in (
            ("json", "texts.json", "application/json"),
            ("stream", "texts.jsonl", "application/x-ndjson"),
            ("lines", "texts.txt", "text/plain"),
        )
    ),
    Loader("serve-file-signed", corpus.PACKED, _file, sign=corpus.sign_packed),
)
