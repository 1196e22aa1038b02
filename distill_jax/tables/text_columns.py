"""The text of a table's rows: a column, or several together, with what is no text told apart."""

import math
from collections.abc import Iterable
from typing import Any

from distill_jax.tables.rows import Row, RowError
from distill_jax.tables.sources import not_utf8

TEXT_SEPARATOR = "\n\n"


class TextColumns:
    """The text of a table's rows: one column, or several joined by a blank line.

    A column that is missing or blank in a row is left out of the join; a row where all are so has no text.

    Args:
        names: the columns.
        first: where their values begin in a row's.
    """

    def __init__(self, names: tuple[str, ...], first: int) -> None:
        self._names, self._cells = names, slice(first, first + len(names))

    def why_missing(self, row: Row) -> str | None:
        """Return the reason why a row has no text; None where it has one.

        Raises:
            InputError: a text is of a kind that cannot be used.
        """
        parts = self._parts(row)
        if not any(parts):
            return "missing text"
        return "blank text" if all(part is None or not part.strip() for part in parts) else None

    def text(self, row: Row) -> str:
        """Return the columns joined; an empty text where a row has none."""
        return joined(self._parts(row))

    def _parts(self, row: Row) -> list[str | None]:
        return [as_text(value, row, name) for value, name in zip(row.cells[self._cells], self._names, strict=True)]


def joined(parts: Iterable[str | None]) -> str:
    """Return texts with a blank line between them, those that are missing or blank left out."""
    return TEXT_SEPARATOR.join([part for part in parts if part and not part.isspace()])


def as_text(value: Any, row: Row, column: str) -> str | None:
    """Return a value of a text column as text, numbers included; None where it is missing.

    Raises:
        InputError: a list, an object, true or false, or text that cannot be written as UTF-8.
    """
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(f"{row.where}: column {column!r}", error) from None
    if isinstance(value, str):
        require_unicode(value, row, column)
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise RowError(f"{row.where}: column {column!r}: expected text, got {_kind(value)}")


def _kind(value: Any) -> str:
    kinds = {list: "a list", dict: "an object", bool: "true or false"}
    return kinds.get(type(value), type(value).__name__)


def require_unicode(value: str, row: Row, column: str) -> None:
    """Raise ``InputError`` for half a surrogate pair, which JSON can spell and UTF-8 cannot."""
    if value.isascii():
        return
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowError(
            f"{row.where}: column {column!r}: expected text, got half a surrogate pair "
            f"(\\u{ord(value[error.start]):04x}) in it"
        ) from None
