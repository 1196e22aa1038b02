"""Connections that ask one request after the other, and look at each answer."""

import asyncio
import dataclasses
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.soak.requests import Ask, good, malformed

_FAULTS_KEPT = 20


@dataclasses.dataclass
class Found:
    """What came of the requests.

    Attributes:
        statuses: how many answers had each.
        texts: how many were answered.
        faults: what was wrong, the first of it.
    """

    statuses: Counter[int] = dataclasses.field(default_factory=Counter)
    texts: int = 0
    faults: list[str] = dataclasses.field(default_factory=list)

    def fault(self, words: str) -> None:
        """Note what was wrong."""
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(words)


async def ask_many(port: int, requests: int, share: float, seed: int, answers: Mapping[str, Any], found: Found) -> None:
    """Ask one request after the other on one connection.

    Args:
        port: the service's, on this machine.
        requests: how many.
        share: of malformed ones.
        seed: decides them.
        answers: text → what must be said of it.
        found: takes what came of it.
    """
    rng, pool = random.Random(seed), list(answers)  # noqa: S311 - nothing is secret
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        ask = malformed(rng, pool) if rng.random() < share else good(rng, pool)
        writer.write(ask.wire)
        status, closes, body = await _answer(reader)
        found.statuses[status] += 1
        _judge(ask, status, body, answers, found)
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    else:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return int(head.split()[1]), headers.get(b"connection") == b"close", body


def _judge(ask: Ask, status: int, body: bytes, answers: Mapping[str, Any], found: Found) -> None:
    if ask.texts is None:
        if not 400 <= status < 500 or set(json.loads(body)) != {"error"}:
            found.fault(f"status {status} for {ask.body[:80]!r}")
        return
    if status != 200:
        found.fault(f"status {status}, {body[:200]!r}, for {ask.body[:80]!r}")
        return
    given = _predictions(body)
    found.texts += len(given)
    if len(given) != len(ask.texts):
        found.fault(f"{len(given)} answers for {len(ask.texts)} texts")
    for text, answer in zip(ask.texts, given, strict=False):
        if not alike(answer, answers[text]):
            found.fault(f"{answer} in place of {answers[text]} for {text[:80]!r}")


def _predictions(body: bytes) -> Sequence[Any]:
    if body.startswith(b'{"predictions"'):
        predictions: list[Any] = json.loads(body)["predictions"]
        return predictions
    return [json.loads(line) for line in body.split(b"\n")[:-1]]


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same: the last digit of a number may be rounded differently."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, float | int) and isinstance(other, float | int):
        return abs(one - other) <= 2e-6 * max(1, abs(other))
    return bool(one == other)
