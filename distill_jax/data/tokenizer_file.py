"""A ``tokenizer.json``, looked at before the ``tokenizers`` library reads it. Standard library alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError

MAX_FILE_BYTES = 3 << 24  # of the largest vocabularies known, of 262,144 words, the file has two thirds of it
# A token of hundreds of thousands of characters overflows the library's stack.
MAX_TOKEN_CHARACTERS = 10_000


def read_tokenizer_file(path: Path, what: str = "tokenizer") -> bytes:
    """Return a tokenizer's file, unless the library would need too much memory, or too deep a stack, for it.

    Args:
        path: the file.
        what: what it is, for messages.

    Raises:
        InputError: it is too large, or a token is too long.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputError(f"{what} {path}: expected at most {MAX_FILE_BYTES:,} bytes, got {size:,}")
    content = path.read_bytes()
    require_short_tokens(content, f"{what} {path}")
    return content


def require_short_tokens(content: bytes, where: str) -> None:
    """Raise ``InputError`` for a token that would overflow the stack of the library, which ends the process.

    Args:
        content: the file's.
        where: names it in messages.
    """
    # Between quotation marks that are not escaped lie the strings, and what stands between two strings, which is short.
    strings = content.replace(b"\\\\", b"__").replace(b'\\"', b"__").split(b'"')
    if max(map(len, strings)) <= MAX_TOKEN_CHARACTERS:
        return
    try:
        value = json.loads(content)
        tokens = list(_strings([value["model"], value.get("added_tokens")]))  # a normalizer's table may be long
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError) as error:
        raise InputError(f"{where}: expected a file of the tokenizers library ({error})") from None
    longest = max(tokens, key=len, default="")
    if len(longest) > MAX_TOKEN_CHARACTERS:
        raise InputError(
            f"{where}: expected tokens of at most {MAX_TOKEN_CHARACTERS:,} characters, got one of {len(longest):,}, "
            f"{longest[:20]!r}…"
        )


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
