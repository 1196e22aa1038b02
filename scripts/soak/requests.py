"""The soak's requests: texts with the answers that they must get, and what no service should take."""

import dataclasses
import json
import random
from collections.abc import Callable, Sequence

_WORDS = [
    "a",
    "the",
    "film",
    "story",
    "acting",
    "plot",
    "is",
    "was",
    "not",
    "never",
    "very",
    "quite",
    "charming",
    "awful",
    "dull",
    "bright",
    "slow",
    "funny",
    "sad",
    "ending",
    "director",
    "scene",
    "music",
    "naïve",
    "über",
    "電影",
    "✓",
    "42",
    "it's",
    "good/bad",
]
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
    return [" ".join(rng.choices(_WORDS, k=rng.randrange(61))) for _ in range(size)]


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
    return rng.choice(_KINDS)(rng, rng.choice(pool) + "x")


def _cut(rng: random.Random, text: str) -> Ask:
    whole = json.dumps({"texts": [text]}).encode()
    return _ask(whole[: rng.randrange(len(whole) - 1)], None)


def _flipped(rng: random.Random, text: str) -> Ask:
    body = bytearray(json.dumps({"texts": [text]}).encode())
    body[rng.randrange(12)] = 0xFF
    return _ask(bytes(body), None)


def _value(value: object) -> Callable[[random.Random, str], Ask]:
    return lambda rng, text: _ask(json.dumps(value).replace("TEXT", text[:20].replace('"', "")).encode(), None)


_KINDS: tuple[Callable[[random.Random, str], Ask], ...] = (
    _cut,
    _flipped,
    *map(_value, ({"texts": "TEXT"}, {"texts": [["TEXT", "TEXT"]]}, {"texts": [None]}, {"texts": [1]}, ["TEXT"], {})),
    lambda rng, text: _ask(b'{"texts": ["\\ud800"]}', None),
    lambda rng, text: _ask(b"[" * rng.randrange(1, 100_000), None),
    lambda rng, text: _ask(b'{"texts": [' + b"9" * 10_000 + b"]}", None),
    lambda rng, text: _ask(json.dumps({"texts": [text] * 2_000}).encode(), None),
    lambda rng, text: _ask(json.dumps({"texts": ["a" * 100_001]}).encode(), None),
    lambda rng, text: _ask(b"\0" * 99, None, _PLAIN),
    lambda rng, text: _ask(text.encode(), None, "application/x-www-form-urlencoded"),
    lambda rng, text: _ask(b"{}", None, line="PUT /predict"),
    lambda rng, text: _ask(b"{}", None, line="POST /models/none/predict"),
    lambda rng, text: _ask(b"{}", None, line="POST /%00%ff%2e%2e/"),
)
