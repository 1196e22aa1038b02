"""fastText's files: a text a line, among whose words those that begin with ``__label__`` are its labels."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from distill_jax.tables.rows import OnBadRow, Row, Wanted, is_wanted, place
from distill_jax.tables.sources import TextLines, decode_line, not_utf8, row_too_long

LABEL, TEXT = COLUMNS = ("label", "text")
_LABEL = re.compile(r"(?<!\S)__label__(\S+)\s*")


def label_line_rows(
    path: Path, lines: TextLines, columns: Sequence[str], wanted: Wanted | None, on_bad_row: OnBadRow
) -> Iterator[Row]:
    """Yield a file's rows: the label's name where there is one, the list of their names where there are several.

    A line without a label has none; blank lines are no rows.
    """
    number = 0
    for raw in lines.raw():
        try:
            line = decode_line(raw).strip()
        except UnicodeDecodeError as error:
            on_bad_row(not_utf8(place(path, number, lines.number), error))
        else:
            if not line and raw:
                continue
            if not line:
                on_bad_row(row_too_long(place(path, number, lines.number)))
            elif is_wanted(wanted, number):
                cells = {LABEL: _label(_LABEL.findall(line)), TEXT: _LABEL.sub("", line).strip() or None}
                yield Row(path, number, lines.number, tuple(cells[name] for name in columns))
        number += 1


def _label(names: list[str]) -> str | list[str] | None:
    return None if not names else names[0] if len(names) == 1 else names
