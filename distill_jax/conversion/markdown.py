"""Words that are data as words of a Markdown page: never its markup, its HTML, its links or its table's borders."""

import re
from collections.abc import Iterable, Sequence

from distill_jax.errors import printable

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~$^!])")
_AT_THE_BEGINNING = re.compile(r"^(\d*)([-+=.)])(?=[-=\s]|$)")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"})
_NO_WORDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\s]+")


def plain(text: object) -> str:
    """Return a text that is shown as it is, but for control characters and ends of lines, which become spaces.

    Marks that turn the direction of what follows are spelt out.
    """
    words = printable(_NO_WORDS.sub(" ", str(text)).strip()).translate(_ENTITIES)
    # An entity's own # is not to be escaped.
    escaped = _MARKUP.sub(r"\\\1", words).replace(r"&\#", "&#")
    escaped = _AT_THE_BEGINNING.sub(r"\1\\\2", escaped)
    return escaped.replace("://", "&#58;//").replace("www.", "www&#46;")  # either becomes a link by itself


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines; its cells are Markdown already."""
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
