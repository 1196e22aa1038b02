"""The soak's requests: texts with the answers that they must get, and what no service should take."""

import dataclasses
import json
import random
from collections.abc import Sequence
from typing import Any

_SENTENCE = (
    "a the film story acting plot is was not never very quite charming awful dull bright slow funny sad ending "
    "director scene music naïve über 電影 ✓ 42 it's good/bad"
)
_JSON, _PLAIN, _LINES = "application/json", "text/plain", "application/x-ndjson"


@dataclasses.dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        head: its first line and headers, up to the length of the body.
        body: the body.
        texts: what must be answered; None = it must be refused.
    """

    head: bytes
    body: bytes
    texts: tuple[str, ...] | None

    @property
    def wire(self) -> bytes:
        """What is sent."""
        return self.head + f"Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


def _ask(body: bytes, texts: Sequence[str] | None, kind: str = _JSON, line: str = "POST /predict") -> Ask:
    head = f"{line} HTTP/1.1\r\nHost: soak\r\nContent-Type: {kind}\r\n"
    return Ask(head.encode(), body, None if texts is None else tuple(texts))


def pool_of_texts(rng: random.Random, size: int) -> list[str]:
    """Return texts of 0 to 60 words."""
    words = _SENTENCE.split()
    return [" ".join(rng.choices(words, k=rng.randrange(61))) for _ in range(size)]


def good(rng: random.Random, pool: Sequence[str]) -> Ask:
    """Return a request to be answered: mostly of one text, of up to a hundred now and then, in all three forms."""
    count = 1 if rng.random() < 0.8 else rng.randrange(1, 100)
    texts = rng.choices(pool, k=count)
    form = rng.random()
    if form < 0.8:
        return _ask(json.dumps({"texts": texts}, ensure_ascii=rng.random() < 0.5).encode(), texts)
    if form < 0.9:
        return _ask("".join(f"{text}\n" for text in texts).encode(), texts, _PLAIN)
    return _ask("\n".join(json.dumps({"text": text}) for text in texts).encode(), texts, _LINES)


def malformed(rng: random.Random, pool: Sequence[str]) -> Ask:
    """Return a request to be refused, of a kind drawn at random."""
    kind = rng.randrange(len(_FIXED) + 3)
    if kind < len(_FIXED):
        return _FIXED[kind]
    whole = json.dumps({"texts": [rng.choice(pool)]}).encode()
    if kind == len(_FIXED):
        return _ask(whole[: rng.randrange(len(whole) - 1)], None)
    if kind == len(_FIXED) + 1:
        place = rng.randrange(len(whole))
        return _ask(whole[:place] + b"\xff" + whole[place + 1 :], None)
    return _ask(b"[" * rng.randrange(1, 100_000), None)


_VALUES: tuple[Any, ...] = (
    {"texts": "a"},
    {"texts": [["a", "b"]]},
    {"texts": [None]},
    {"texts": [1]},
    {"texts": [], "b": 1},
    ["a"],
    {},
)
_BODIES = (
    b'{"texts": ["\\ud800"]}',
    b'{"texts": [' + b"9" * 10_000 + b"]}",
    b'{"texts": [NaN]}',
    b'{"texts": [], "texts": []}',
    json.dumps({"texts": ["a"] * 2_000}).encode(),
    json.dumps({"texts": ["a" * 100_001]}).encode(),
    json.dumps({"texts": ["a"]}).encode("utf-16"),
)
_FIXED = (
    *(_ask(json.dumps(value).encode(), None) for value in _VALUES),
    *(_ask(body, None) for body in _BODIES),
    _ask(b"\0" * 99, None, _PLAIN),
    _ask(b"texts=a", None, "application/x-www-form-urlencoded"),
    *(_ask(b"{}", None, line=line) for line in ("PUT /predict", "POST /models/none/predict", "POST /%00%ff%2e%2e/")),
)
