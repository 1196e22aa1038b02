"""A stream of JSON lines, answered line by line while it comes; of any length, in bounded memory."""

import json
from collections.abc import AsyncIterator

from distill_jax.serving.batches import TEXTS_AT_ONCE, Batches
from distill_jax.serving.bodies import text_of_line
from distill_jax.serving.limits import ClientGone, Limits, Refused


async def lines_of(parts: AsyncIterator[bytes], longest: int) -> AsyncIterator[list[bytes]]:
    """Yield the whole lines that each part of a body ends; empty ones are left out.

    A line that is longer than ``longest`` is cut to one byte more than that, and the rest of it is not kept.
    """
    rest = b""
    async for part in parts:
        *whole, last = part.split(b"\n")
        if whole:
            whole[0] = rest + whole[0][: max(longest + 1 - len(rest), 0)]
            rest = b""
        rest += last[: max(longest + 1 - len(rest), 0)]
        yield whole
    yield [rest]


async def answers(parts: AsyncIterator[bytes], batches: Batches, limits: Limits) -> AsyncIterator[bytes]:
    """Yield a line for each line of a stream that is not empty: the answer, or ``{"error": …}`` in its place.

    A client that stops sending gets a last line that says so.
    """
    number = 0
    try:
        async for lines in lines_of(parts, limits.max_body_bytes):
            for start in range(0, len(lines), TEXTS_AT_ONCE):
                chunk = lines[start : start + TEXTS_AT_ONCE]
                numbered = enumerate(chunk, number + 1)
                found = [_text_or_refusal(line, place, limits) for place, line in numbered if line.strip()]
                number += len(chunk)
                if found:
                    yield await _answered(found, batches)
    except Refused as refused:
        yield _line(refused)
    except ClientGone:
        return


def _text_or_refusal(line: bytes, number: int, limits: Limits) -> str | Refused:
    try:
        return text_of_line(line, number, limits)
    except Refused as refused:
        return refused


async def _answered(found: list[str | Refused], batches: Batches) -> bytes:
    answered = iter(await batches.answer([each for each in found if isinstance(each, str)]))
    return b"".join(_line(each) if isinstance(each, Refused) else f"{next(answered)}\n".encode() for each in found)


def _line(refused: Refused) -> bytes:
    return (json.dumps({"error": str(refused)}, ensure_ascii=False) + "\n").encode()
