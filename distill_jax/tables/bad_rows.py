"""Rows that cannot be read: left out, counted, and shown, unless there are so many that the file is another one."""

from distill_jax.console import warn
from distill_jax.errors import InputError
from distill_jax.tables.rows import RowError

BAD_ROW = "bad row"
_HEAD_ROWS = 1_000
_SHOWN = 5


class BadRows:
    """Counts the bad rows of files that are read one after the other.

    Attributes:
        count: how many there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[tuple[int, RowError]] = []
        self._in_head = 0
        self._first_in_file: RowError | None = None

    def add(self, error: RowError, row: int, rows_before: int) -> None:
        """Take in a bad row.

        Args:
            error: what is wrong with it.
            row: its number over all files.
            rows_before: how many rows of its file stand before it.

        Raises:
            InputError: it is one of more than half of the file's first thousand.
        """
        self.add_all(error, row, 1)
        self._first_in_file = self._first_in_file or error
        if rows_before < _HEAD_ROWS:
            self._in_head += 1
            self._require_few(_HEAD_ROWS)

    def add_all(self, error: RowError, first: int, count: int) -> None:
        """Take in rows that are bad for one reason, of which the error is the first one's."""
        self.count += count
        self._shown = sorted([*self._shown, (first, error)], key=lambda shown: shown[0])[:_SHOWN]

    def end_file(self, rows: int) -> None:
        """Say how many rows the file had, and that what comes next is of another.

        Raises:
            InputError: it is a short one, and more than half of them were bad.
        """
        self._require_few(min(rows, _HEAD_ROWS))
        self._in_head, self._first_in_file = 0, None

    def _require_few(self, rows: int) -> None:
        if 2 * self._in_head > rows:
            raise InputError(
                f"--on-bad-row skip: {self._in_head:,} of a file's first {rows:,} rows cannot be read; is it written "
                f"in another way (--separator, --quoting, --encoding)? The first: {self._first_in_file}"
            )

    def say(self) -> None:
        """Say how many there were, and the first few."""
        if self.count:
            warn(f"warning: {self.count:,} bad rows were left out (--on-bad-row skip), of which the first are:")
        for _, error in self._shown:
            warn(f"  {error}")
