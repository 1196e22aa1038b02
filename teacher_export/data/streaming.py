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
from teacher_export.data.formats import format_of, say_guesses
from teacher_export.data.row_parsers import MISSING_LABEL, RowParser
from teacher_export.data.rows import Row, Wanted
from teacher_export.data.sources import MOST_TIMES, Budget, require_data_file
from teacher_export.data.tables import TableFormat, column_names, read_rows, require_columns
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
    """

    label_names: tuple[str, ...]
    classes: np.ndarray
    usable: np.ndarray
    dropped: dict[str, int]
    rows_per_file: tuple[int, ...] = ()


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
    require_columns(path, column_names(path, file_format), columns)
    return SourceFile(path, file_format, _state(path))


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def read_labels(files: Sequence[SourceFile], parser: RowParser) -> LabelledRows:
    """Read every row once and keep its class alone.

    Raises:
        InputError: a row cannot be read, or there is none; the message names the file and the row.
    """
    codes = array.array("h")
    dropped: collections.Counter[str] = collections.Counter()
    rows_per_file = [0] * len(files)
    most = _FEW_ROWS + sum(file.state[0] for file in files) // _ROW_BYTES
    for index, row in _iterate(files, parser, "reading labels"):
        code = parser.label(row)
        if isinstance(code, str):
            dropped[code] += 1
            code = -1
        codes.append(code)
        if len(codes) > most:
            raise InputError(
                f"{row.where}: expected at most {most:,} rows in files of so many bytes, got more; unpack them, or "
                "leave some out"
            )
        rows_per_file[index] += 1
    if not codes:
        raise InputError(f"data file {files[0].path}: the file is empty but for its header; expected rows after it")
    label_names, class_of_code = parser.classes()
    found = np.frombuffer(codes, np.dtype(np.int16))
    classes = np.array([*class_of_code, -1], np.int16)[found]  # the code -1 finds the -1 at the end
    usable = found >= 0
    if not parser.keeps_unlabelled:
        unlabelled = int(np.count_nonzero(usable & (classes < 0)))
        if unlabelled:
            dropped[MISSING_LABEL] += unlabelled
        usable = classes >= 0
    return LabelledRows(label_names, classes, usable, dict(dropped), tuple(rows_per_file))


def read_texts(
    files: Sequence[SourceFile], parser: RowParser, rows_per_file: Sequence[int], rows: np.ndarray
) -> list[str]:
    """Read the files again and return the texts of ``rows``, in their order.

    Raises:
        InputError: a file was changed since it was read first.
    """
    total = sum(rows_per_file)
    position = np.full(total, -1, np.int64)
    position[rows] = np.arange(len(rows))
    starts = np.concatenate([[0], np.cumsum(rows_per_file)]).tolist()
    kept = memoryview((position >= 0).astype(np.uint8).tobytes())
    wanted = [kept[start:end] for start, end in itertools.pairwise(starts)]
    texts = [""] * len(rows)
    budget = Budget(sum(file.state[0] for file in files))
    for index, row in _iterate(files, parser, "reading texts", wanted):
        texts[position[starts[index] + row.number]] = text = parser.text(row)
        if not budget.has_text(text):
            raise InputError(
                f"{row.where}: the texts up to here take more than {MOST_TIMES} times the memory that the files have "
                "bytes; unpack them first, or keep fewer rows (--max-rows)"
            )
    for file in files:
        file.require_unchanged()
    return texts


def _iterate(
    files: Sequence[SourceFile], parser: RowParser, description: str, wanted: Sequence[Wanted] | None = None
) -> Iterator[tuple[int, Row]]:
    """Yield ``(file's index, row)`` for all files' rows, under a progress bar of the bytes read."""
    total = sum(file.state[0] for file in files)
    with progress(total, description, "B", scale=True) as bar:
        for index, file in enumerate(files):
            mask = None if wanted is None else wanted[index]
            for row in read_rows(file.path, file.format, parser.columns, bar.update, mask):
                yield index, row
