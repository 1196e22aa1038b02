"""Read data files twice as streams: first every row's class, then the texts of the rows that are kept."""

import array
import collections
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from distill_jax.console import progress
from distill_jax.errors import InputError
from distill_jax.tables.bad_rows import BAD_ROW, BadRows
from distill_jax.tables.formats import format_of, say_guesses
from distill_jax.tables.reading import TableFormat, column_names, read_rows, require_columns
from distill_jax.tables.rows import OnBadRow, Row, RowError, Wanted, ignore, refuse
from distill_jax.tables.sources import MOST_TIMES, Budget, require_data_file
from teacher_export.data.row_parsers import MISSING_LABEL, RowParser
from teacher_export.data.texts_on_disk import OrderedTexts
from teacher_export.options.data import DataConfig

# Drawing from rows takes some forty bytes each; packed ones have little more than that in a large file.
_FEW_ROWS, _ROW_BYTES = 1 << 25, 32


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """A data file: how it is read, and its size and time of change when it was first looked at."""

    path: Path
    format: TableFormat
    state: tuple[int, int]

    def require_unchanged(self) -> None:
        """Raise ``InputError`` if the file was written to since."""
        if _state(self.path) != self.state:
            raise InputError(f"data file {self.path}: it was changed while it was being read; run the command again")


@dataclasses.dataclass(frozen=True)
class LabelledRows:
    """What the first reading finds out.

    Attributes:
        label_names: index = class.
        classes: int16 [rows] over all files; -1 = no class.
        usable: bool [rows], which of them are not left out.
        dropped: why rows are left out, and how many.
        rows_per_file: the rows of each file.
        bad: the rows that could not be read; None = there may be none.
    """

    label_names: tuple[str, ...]
    classes: np.ndarray
    usable: np.ndarray
    dropped: dict[str, int]
    rows_per_file: tuple[int, ...] = ()
    bad: BadRows | None = None


def open_source(
    path: Path, config: DataConfig, columns: Sequence[str], option: str, known: TableFormat | None = None
) -> SourceFile:
    """Check a file's being there, how it is written and its columns, before any file is read through.

    Args:
        path: the file.
        config: the options.
        columns: those that it must have.
        option: what names the file.
        known: how it is read; None = as its name, the options and its first line say.

    Raises:
        InputError: it is missing, empty, of another format, or lacks a column.
    """
    require_data_file(path, option)
    file_format = known
    if file_format is None:
        file_format = format_of(path, config.dialect, columns)
        say_guesses(path, config.dialect, file_format)
    on_bad_row = ignore if config.skips_bad_rows else refuse
    require_columns(path, column_names(path, file_format, on_bad_row, columns), columns)
    return SourceFile(path, file_format, _state(path))


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


class _FirstReading:
    """Takes in every row of the files: its code, or why it is left out."""

    def __init__(self, parser: RowParser, files: Sequence[SourceFile], bad: BadRows | None) -> None:
        self._parser, self._bad = parser, bad
        self.codes = array.array("h")
        self.dropped: collections.Counter[str] = collections.Counter()
        self.rows_per_file: list[int] = []
        self._start = 0
        self._most = _FEW_ROWS + sum(file.state[0] for file in files) // _ROW_BYTES

    def take(self, rows: Iterator[Row]) -> None:
        """Take in a file's rows."""
        self._start, label, codes = len(self.codes), self._parser.label, self.codes
        for row in rows:
            try:
                code = label(row)
            except RowError as error:
                self.leave_out(error)
                continue
            if isinstance(code, str):
                self.dropped[code] += 1
                code = -1
            codes.append(code)
            if len(codes) > self._most:
                raise InputError(
                    f"{row.where}: expected at most {self._most:,} rows in files of so many bytes, got more; unpack "
                    "them, or leave some out"
                )
        self.rows_per_file.append(len(codes) - self._start)
        if self._bad is not None:
            self._bad.end_file(self.rows_per_file[-1])

    def leave_out(self, error: RowError) -> None:
        """Leave out a row that cannot be read, or raise its error."""
        if self._bad is None:
            raise error
        self._bad.add(error, len(self.codes), len(self.codes) - self._start)
        self._parser.skip()
        self.codes.append(-1)


def read_labels(files: Sequence[SourceFile], parser: RowParser, *, skips_bad_rows: bool = False) -> LabelledRows:
    """Read every row once and keep its class alone.

    Raises:
        InputError: a row cannot be read and is not to be left out, or there is none; the message names the file and
            the row.
    """
    bad = BadRows() if skips_bad_rows else None
    reading = _FirstReading(parser, files, bad)
    for _, rows in _iterate(files, parser, "reading labels", refuse if bad is None else reading.leave_out):
        reading.take(rows)
    if not reading.codes:
        raise InputError(f"data file {files[0].path}: the file is empty but for its header; expected rows after it")
    label_names, class_of_code = parser.classes()
    found, dropped = np.frombuffer(reading.codes, np.dtype(np.int16)), reading.dropped
    classes = np.array([*class_of_code, -1], np.int16)[found]  # the code -1 finds the -1 at the end
    usable = found >= 0
    if bad is not None:
        for code, error in parser.bad_codes.items():
            rows_of_code = np.flatnonzero(found == code)
            bad.add_all(error, int(rows_of_code[0]), len(rows_of_code))
            usable[rows_of_code] = False
        if bad.count:
            dropped[BAD_ROW] = bad.count
    if not parser.keeps_unlabelled:
        unlabelled = int(np.count_nonzero(usable & (classes < 0)))
        if unlabelled:
            dropped[MISSING_LABEL] += unlabelled
        usable &= classes >= 0
    return LabelledRows(label_names, classes, usable, dict(dropped), tuple(reading.rows_per_file), bad)


def read_texts(
    files: Sequence[SourceFile],
    parser: RowParser,
    source: LabelledRows,
    rows: np.ndarray,
    folder: Path | None = None,
) -> Sequence[str]:
    """Read the files again and return the texts of ``rows``, in their order.

    Args:
        files: the files.
        parser: reads the rows.
        source: what the first reading found.
        rows: the numbers of the rows that are kept.
        folder: where the texts go, if not into the memory.

    Raises:
        InputError: a file was changed since it was read first.
    """
    rows_per_file = source.rows_per_file
    on_bad_row = refuse if source.bad is None else ignore
    total = sum(rows_per_file)
    position = np.full(total, -1, np.int64)
    position[rows] = np.arange(len(rows))
    starts = np.concatenate([[0], np.cumsum(rows_per_file)]).tolist()
    kept = memoryview((position >= 0).astype(np.uint8).tobytes())
    wanted = [kept[start:end] for start, end in itertools.pairwise(starts)]
    texts = [""] * (len(rows) if folder is None else 0)
    ordered = None if folder is None else OrderedTexts(folder, len(rows))
    keep = texts.__setitem__ if ordered is None else ordered.add
    budget = Budget(sum(file.state[0] for file in files))
    for index, found in _iterate(files, parser, "reading texts", on_bad_row, wanted):
        for row in found:
            text = parser.text(row)
            keep(int(position[starts[index] + row.number]), text)
            if not budget.has_text(text):
                raise InputError(
                    f"{row.where}: the texts up to here take more than {MOST_TIMES} times the memory that the files "
                    "have bytes; unpack them first, or keep fewer rows (--max-rows)"
                )
    for file in files:
        file.require_unchanged()
    del position, kept, wanted  # before the next array of all rows
    return texts if ordered is None else ordered.finish()


def _iterate(
    files: Sequence[SourceFile],
    parser: RowParser,
    description: str,
    on_bad_row: OnBadRow,
    wanted: Sequence[Wanted] | None = None,
) -> Iterator[tuple[int, Iterator[Row]]]:
    """Yield ``(file's index, its rows)``, under a progress bar of the bytes read."""
    total = sum(file.state[0] for file in files)
    with progress(total, description, "B", scale=True) as bar:
        for index, file in enumerate(files):
            mask = None if wanted is None else wanted[index]
            yield index, read_rows(file.path, file.format, parser.columns, bar.update, mask, on_bad_row)
