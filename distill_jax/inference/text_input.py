"""Texts as a user gives them: where they enter, what is no text is refused, by its position."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Set

from distill_jax.errors import InputError

_CHARACTERS_AT_ONCE = 1 << 24  # what is put together for a quick look, in memory a second time


def text_chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the texts in lists of ``size``, the last one shorter; they are taken in the order of iteration.

    Args:
        texts: a list, a tuple, an array of one dimension, a Series (its index is not looked at), a generator, ….
        size: texts at a time; no more of an iterator is taken before they are asked for.

    Raises:
        InputError: one string, a table or something else that is no row of texts; or, when its chunk is reached, an
            element that is no string, or has half a surrogate pair.
    """
    iterator = _iterator(texts)
    for start in itertools.count(step=size):
        chunk = list(itertools.islice(iterator, size))
        if not chunk:
            return
        if set(map(type, chunk)) != {str}:
            chunk = [_text(value, start + row) for row, value in enumerate(chunk)]
        _require_unicode(chunk, start)
        yield chunk


def _iterator(texts: Iterable[str]) -> Iterator[str]:
    kind = type(texts).__name__
    if isinstance(texts, str):
        raise InputError("texts: expected a list of texts, got one string; give [text]")
    if isinstance(texts, bytes | bytearray | memoryview):
        raise InputError(f"texts: expected a list of texts, got {kind}; decode them and give [text]")
    if hasattr(texts, "columns") or hasattr(texts, "column_names"):
        raise InputError(f"texts: expected a list of texts, got a table ({kind}); give its column of texts")
    if isinstance(texts, Mapping | Set):
        raise InputError(f"texts: expected texts in an order, got a {kind}; give a list")
    if getattr(texts, "ndim", 1) != 1:
        raise InputError(f"texts: expected one dimension, got an array of shape {list(getattr(texts, 'shape', []))}")
    try:
        return iter(texts)
    except TypeError:
        raise InputError(f"texts: expected a list of texts, got {_name(texts)}") from None


def _text(value: object, position: int) -> str:
    """Return a string, one of NumPy's as one of Python's."""
    if isinstance(value, str):
        return str.__str__(value)
    raise InputError(f"texts[{position}]: expected a string, got {_name(value)}; leave it out, or make it a string")


def _name(value: object) -> str:
    if value is None:
        return "None"
    return "NaN" if isinstance(value, float) and math.isnan(value) else f"a value of type {type(value).__name__}"


def _require_unicode(chunk: list[str], start: int) -> None:
    """Refuse half a surrogate pair: no tokenizer takes it."""
    together = sum(map(len, chunk)) <= _CHARACTERS_AT_ONCE
    try:
        for text in ["".join(chunk)] if together else chunk:
            text.encode()
    except UnicodeEncodeError:
        for row, text in enumerate(chunk):
            place = next((place for place, letter in enumerate(text) if "\ud800" <= letter <= "\udfff"), None)
            if place is not None:
                raise InputError(
                    f"texts[{start + row}]: expected text, got half a surrogate pair ({text[place]!a} at character "
                    f"{place}); replace it, say by text.encode(errors='replace').decode()"
                ) from None
