"""Read quoted records where bad ones are left out: what a stray quotation mark swallowed is read again."""

import collections
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from distill_jax.errors import InputError
from distill_jax.tables import sources
from distill_jax.tables.rows import OnBadRow, RowError, place, refuse
from distill_jax.tables.sources import TextLines, decode_line, not_utf8, row_too_long

_TIMES_AGAIN, _LITTLE_AGAIN = 8, 1 << 26  # bytes that may be read again, for each one read, and in any case


class RereadableLines:
    """Lines as text, of which those after the first of a bad row can be had again.

    A byte that is not UTF-8 is no end of a row: the row goes on, and ``fault`` says that it is a bad one.

    Args:
        lines: the lines; too long ones are empty.

    Attributes:
        number: the number of the last line, counted from 1.
        fault: what was wrong in the lines of the row so far; None = nothing.
    """

    def __init__(self, lines: TextLines) -> None:
        self._lines, self._coming = lines, lines.raw()
        self._row: list[bytes] = []
        self._again: collections.deque[bytes] = collections.deque()
        self._bytes = self._doubtful = self._read = self._read_again = self.number = 0
        self.fault: UnicodeDecodeError | None = None

    @property
    def ended_whole(self) -> bool:
        """Whether the last line read ended with a line feed."""
        return self._lines.ended_whole

    def begin_row(self) -> None:
        """Say that what comes next is another row."""
        self._row, self._bytes, self.fault = [], 0, None

    def go_back(self) -> None:
        """Give the row's lines once more, but for the first.

        Raises:
            InputError: that has come so often that reading on would take for ever.
        """
        self._read_again += self._bytes
        if self._read_again > _LITTLE_AGAIN + _TIMES_AGAIN * self._read:
            raise InputError(
                f"{self._lines.name}: up to line {self.number} so many quotation marks open a field that is not "
                "closed that each row is read again and again; where quotation marks are letters, give --quoting none"
            )
        self._doubtful = max(self._doubtful, self.number)
        again = self._row[1:]
        self._again.extendleft(reversed(again))
        self.number -= len(again)

    def is_remainder(self) -> bool:
        """Whether the row is the end of an earlier, bad one: of its lines, with a quotation mark too many."""
        return self.number <= self._doubtful and b"".join(self._row).count(b'"') % 2 == 1

    def __iter__(self) -> Iterator[str]:
        """Return itself: unlike a generator it goes on after an error."""
        return self

    def _new(self) -> bytes:
        line = next(self._coming)
        self._read += len(line)
        return line

    def __next__(self) -> str:
        """Return the next line.

        Raises:
            RowError: the row is too long.
        """
        line = self._again.popleft() if self._again else self._new()
        self.number += 1
        self._row.append(line)
        self._bytes += len(line)
        if not line or self._bytes > sources.MAX_ROW_BYTES:
            raise row_too_long("")
        try:
            return decode_line(line)
        except UnicodeDecodeError as error:
            self.fault = self.fault or error
            return line.decode("latin-1").replace("\0", " ")


def tolerant_records(
    path: Path,
    lines: RereadableLines,
    separator: str,
    explain: Callable[[csv.Error, str], str],
    on_bad_row: OnBadRow,
    number: int,
) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the records that can be read; the others count too.

    A record that quotation marks break is its first line, and reading goes on with the second.

    Args:
        path: names the file.
        lines: its lines.
        separator: what stands between fields.
        explain: says what is wrong with a record.
        on_bad_row: told of what cannot be read; a header is refused.
        number: the first record's.

    Yields:
        A record's number, the line where it begins, and its fields.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        line = lines.number + 1
        lines.begin_row()
        told = refuse if number < 0 else on_bad_row
        where = place(path, number, line)
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            told(RowError(f"{where}: {explain(error, separator)}"))
            lines.go_back()
        except RowError:
            told(row_too_long(where))
            lines.go_back()
        else:
            if not fields:
                continue
            if lines.fault is not None:
                told(not_utf8(where, lines.fault))
            elif lines.is_remainder():
                told(RowError(f"{where}: expected a row, got the end of an earlier one, whose quotation marks are bad"))
            else:
                yield number, line, fields
        number += 1
