"""From a request's body to its texts: JSON, lines of text, or a line of a stream; what is no text is refused."""

import json
import re
from typing import Any

from distill_jax.repeats import first_repeated
from distill_jax.serving.limits import Limits, Refused, too_large

JSON, PLAIN, LINES = "application/json", "text/plain", "application/x-ndjson"
_HALVES = re.compile("[\ud800-\udfff]")


def texts_of_json(body: bytes, limits: Limits) -> list[str]:
    """Return the texts of ``{"texts": […]}``.

    Raises:
        Refused: 400 for what is no JSON in UTF-8; 422 for another value, or more than the limits allow.
    """
    found = _decoded(body, "body")
    if not isinstance(found, dict) or set(found) != {"texts"}:
        raise Refused(422, f'body: expected an object {{"texts": […]}}, got {_shown(found)}')
    texts = found["texts"]
    if not isinstance(texts, list):
        raise Refused(422, f"texts: expected a list of texts, got {_kind(texts)}; give [text]")
    return _checked(texts, limits)


def texts_of_lines(body: bytes, limits: Limits) -> list[str]:
    """Return the texts of a body of plain lines; an empty line is a text too.

    Only a line feed, after an optional carriage return, ends a text.

    Raises:
        Refused: 400 for what is no UTF-8, or has a NUL; 422 for more than the limits allow.
    """
    if b"\0" in body:
        raise Refused(400, "body: expected text in UTF-8, got a NUL byte, which UTF-16 is full of; convert to UTF-8")
    lines = _utf8(body, "body").removeprefix("\ufeff").split("\n")
    if not lines[-1]:
        lines.pop()
    return _checked([line.removesuffix("\r") for line in lines], limits)


def text_of_line(line: bytes, number: int, limits: Limits) -> str:
    """Return the text of a line of a stream, ``{"text": …}``.

    Args:
        line: the line.
        number: which one, from 1.
        limits: what is allowed.

    Raises:
        Refused: as ``texts_of_json``.
    """
    where = f"line {number}"
    if len(line) > limits.max_body_bytes:
        raise too_large(limits, where)
    found = _decoded(line, where)
    if not isinstance(found, dict) or set(found) != {"text"}:
        raise Refused(422, f'{where}: expected an object {{"text": …}}, got {_shown(found)}')
    return _text(found["text"], f"{where}, text", limits)


def _checked(texts: list[Any], limits: Limits) -> list[str]:
    """Return texts that are strings, no more and no longer than allowed."""
    if len(texts) > limits.max_texts:
        raise Refused(422, f"texts: expected at most {limits.max_texts:,}, got {len(texts):,}; send several requests")
    return [_text(text, f"texts[{index}]", limits) for index, text in enumerate(texts)]


def _text(text: object, where: str, limits: Limits) -> str:
    if not isinstance(text, str):
        pairs = "; a pair of texts is not read" if isinstance(text, list) else ""
        raise Refused(422, f"{where}: expected a string, got {_kind(text)}{pairs}")
    if len(text) > limits.max_characters:
        most = f"{limits.max_characters:,} characters"
        raise Refused(422, f"{where}: expected at most {most}, got {len(text):,}; the student sees its beginning alone")
    if not text.isascii() and _HALVES.search(text):
        raise Refused(422, f"{where}: expected text, got half a surrogate pair; leave it out")
    return text


def _utf8(content: bytes, where: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(
            400, f"{where}: expected text in UTF-8, got other bytes ({error.reason} at byte {error.start})"
        ) from None


def _decoded(content: bytes, where: str) -> Any:
    text = _utf8(content, where).removeprefix("\ufeff")
    try:
        return _DECODER.decode(text)
    except _Twice as twice:
        raise Refused(422, f"{where}: expected each name of an object once, got {twice} twice") from None
    except RecursionError:
        raise Refused(400, f"{where}: expected JSON, got some that is nested too deeply") from None
    except ValueError as error:
        raise Refused(400, f"{where}: expected JSON, got something else ({error})") from None


class _Twice(Exception):  # noqa: N818 - it becomes a refusal
    """A name that an object has twice: of two values one would be lost without a word."""


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise _Twice(repr(first_repeated(name for name, _ in members))[:100])
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)

_KINDS = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS[type(value)]


def _shown(value: object) -> str:
    if not isinstance(value, dict):
        return _kind(value)
    names = ", ".join(repr(name)[:40] for name in list(value)[:5])
    return f"one with {names}{', …' if len(value) > 5 else ''}" if value else "an empty one"
