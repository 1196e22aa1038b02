"""Tables of numbers, and lists of sentences, in HTML."""

import html
from collections.abc import Sequence

from distill_jax.errors import printable
from distill_jax.metrics.interval import Interval
from distill_jax.reporting.numbers import (
    UNKNOWN,
    interval,
    score,
)


def escape(text: str) -> str:
    """Return a text as HTML; a percent sign stays on its number's line.

    Marks that would turn the direction of what follows a name, and other control characters, are shown escaped.
    """
    return html.escape(printable(text)).replace(" %", "&nbsp;%")


def with_interval(text: str, limits: str) -> str:
    """Return a number as HTML with its interval, small, under it."""
    return f'{escape(text)}<span class="interval">{escape(limits)}</span>'


def numbers_table(header: Sequence[str], lines: Sequence[str], name: str) -> str:
    """Return a table of numbers that scrolls sideways where it is wider than the page."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    body = "\n".join(lines)
    return (
        '<p class="hint">The table goes on to the right.</p>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">\n'
        f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>\n</div>'
    )


def table_line(kind: str, name: str, cells: Sequence[str]) -> str:
    """Return a table's line of HTML cells; an unknown number is set back."""
    columns = "".join(
        f'<td class="unknown">{UNKNOWN}</td>' if cell == UNKNOWN else f"<td>{cell}</td>" for cell in cells
    )
    return f'<tr class="{kind}"><th scope="row">{name}</th>{columns}</tr>'


def score_with_interval(value: Interval) -> str:
    """Return a score as HTML, its interval under it."""
    return with_interval(score(value.value), interval(value))


def notes_list(sentences: Sequence[str]) -> str:
    """Return sentences as a list; nothing where there is none."""
    if not sentences:
        return ""
    return '<ul class="notes">' + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"
