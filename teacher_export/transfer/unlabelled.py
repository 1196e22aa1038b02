"""Files of texts without classes, for the transfer set: one text a line, or a table's text column."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distill_jax.console import progress
from distill_jax.errors import InputError
from distill_jax.files import sha256_file, utf8
from distill_jax.storage.mirror import local_copy
from distill_jax.tables.bad_rows import BadRows
from distill_jax.tables.compression import PACKED, name_within
from distill_jax.tables.delimited import TSV, UNQUOTED_TSV
from distill_jax.tables.formats import table_format
from distill_jax.tables.reading import FORMATS, TableFormat, read_rows
from distill_jax.tables.rows import OnBadRow, RowError, place, refuse
from distill_jax.tables.sources import (
    MOST_TIMES,
    Budget,
    TextLines,
    decode_line,
    not_utf8,
    open_data,
    require_data_file,
    row_too_long,
)
from distill_jax.tables.text_columns import TextColumns
from teacher_export.config import ExportConfig
from teacher_export.data.streaming import open_source
from teacher_export.transfer.packaged_texts import PackagedTexts, packaged_texts

_OPTION = "--unlabelled"
_TEXTS = ".txt"
_LONGEST = 1 << 20  # characters of a text; no teacher reads as many
_AMAZON_COLUMN = "review_body"


@dataclasses.dataclass(frozen=True)
class TextFile:
    """A file of texts.

    Attributes:
        path: where it is.
        format: how it is read; None for one text a line.
        columns: a table's text columns.
        skips_bad_rows: whether rows that cannot be read are left out, where they are an error otherwise.
    """

    path: Path
    format: TableFormat | None = None
    columns: tuple[str, ...] = ()
    skips_bad_rows: bool = False

    @property
    def name(self) -> str:
        """What the file is called, without its folder."""
        return utf8(self.path.name)

    @property
    def described(self) -> str:
        """What it is to the user."""
        return str(self.path)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file's bytes."""
        return sha256_file(self.path)

    def texts(self) -> Iterator[str]:
        """Yield the beginnings of the texts, of a mebi of characters, the missing and blank ones left out.

        Raises:
            InputError: a row cannot be read, or the texts are many times larger than their file; the message names the
                file.
        """
        budget, bad, rows = Budget(self.path.stat().st_size), BadRows(), 0

        def leave_out(error: RowError) -> None:
            nonlocal rows
            bad.add(error, rows, rows)
            rows += 1

        for text in self._whole_texts(leave_out if self.skips_bad_rows else refuse):
            rows += 1
            if not text:
                continue
            beginning = text[:_LONGEST]
            if not budget.has_text(beginning):
                raise InputError(
                    f"{_OPTION} {self.path}: its texts take more than {MOST_TIMES} times the bytes that it has; unpack "
                    "it first, or leave some out"
                )
            yield beginning
        bad.end_file(rows)
        bad.say()

    def _whole_texts(self, on_bad_row: OnBadRow) -> Iterator[str]:
        """Yield the text of every row that can be read, which may be an empty one."""
        path = self.path
        with progress(path.stat().st_size, f"reading {self.name}", "B", scale=True) as bar:
            if self.format is None:
                yield from _lines(path, bar, on_bad_row)
                return
            columns = TextColumns(self.columns, 0)
            for row in read_rows(path, self.format, self.columns, bar.update, on_bad_row=on_bad_row):
                try:
                    text = columns.text(row)
                except RowError as error:
                    on_bad_row(error)
                else:
                    yield text


UnlabelledSource = TextFile | PackagedTexts
"""What one word after ``--unlabelled`` names."""


def find_unlabelled(config: ExportConfig) -> list[UnlabelledSource]:
    """Return the sources that ``--unlabelled`` names, once their being there and their columns are checked.

    Raises:
        InputError: a file is missing, empty, of an unknown format, named twice, or lacks the column.
    """
    sources: list[UnlabelledSource] = []
    for path in config.transfer_set.unlabelled:
        source = packaged_texts(str(path), config.data.dataset) or _open(local_copy(path), config)
        if any(_identity(source) == _identity(earlier) for earlier in sources):
            raise InputError(f"{_OPTION} {path}: it is named twice; name each file once")
        sources.append(source)
    return sources


def _identity(source: UnlabelledSource) -> str | Path:
    return source.path.resolve() if isinstance(source, TextFile) else source.name


def _open(path: Path, config: ExportConfig) -> TextFile:
    require_data_file(path, _OPTION)
    name = name_within(path, (_TEXTS, *FORMATS))
    if name.endswith(_TEXTS):
        return TextFile(path, skips_bad_rows=config.data.skips_bad_rows)
    if not name.endswith(tuple(FORMATS)):
        raise InputError(
            f"{_OPTION} {path}: expected a name that ends in .txt, {', '.join(FORMATS)} (and may end in "
            f"{', '.join(PACKED)} after that), got {path.suffix or 'no ending'!r}"
        )
    columns = config.transfer_set.unlabelled_column or config.data.text_column
    is_amazon = not columns and config.data.dataset == "amazon-pds"
    columns = (_AMAZON_COLUMN,) if is_amazon else columns
    if not columns:
        raise InputError(f"{_OPTION} {path}: a table needs --unlabelled-column NAME, the column that holds the text")
    known = UNQUOTED_TSV if is_amazon and table_format(path) == TSV else None
    found = open_source(path, config.data, columns, _OPTION, known).format
    return TextFile(path, found, columns, config.data.skips_bad_rows)


def _lines(path: Path, bar: Any, on_bad_row: OnBadRow) -> Iterator[str]:
    with open_data(path, bar.update) as stream:
        lines = TextLines(stream, f"data file {path}", drops_long=on_bad_row is not refuse)
        for number, raw in enumerate(lines.raw()):
            try:
                text = decode_line(raw).strip()
            except UnicodeDecodeError as error:
                on_bad_row(not_utf8(place(path, number, lines.number), error))
            else:
                if raw:
                    yield text
                else:
                    on_bad_row(row_too_long(place(path, number, lines.number)))
