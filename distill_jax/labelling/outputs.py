"""Tables as they are written: rows as they came, and after them their answers."""

import abc
import csv
import dataclasses
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar

from distill_jax.errors import InputError
from distill_jax.files import atomic_write
from distill_jax.labelling.rows import Rows
from distill_jax.repeats import first_repeated
from distill_jax.tables.parquet import import_pyarrow
from distill_jax.tasks.answer_columns import AnswerColumn

WHOLE = "whole"  # the name of a file made of pieces, until it stands in its place
_LENGTH = 8  # bytes of a number before each piece of Parquet
_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 1 << 27  # of a row group of Parquet, about; the first that is reached ends it
_LEVEL = 6  # of gzip

Answers = Sequence[Sequence[Any]]
"""Each column's values, one a row; None = the row has no answer."""


@dataclasses.dataclass(frozen=True)
class OutputForm(abc.ABC):
    """A form in which a labelled table is written, piece by piece.

    Attributes:
        appended: the columns of the answers, with the names that they have in the table.
        separator: what stands between several labels in a field.
        needs_columns: whether all rows have the same columns, known at the beginning.
    """

    appended: tuple[AnswerColumn, ...]
    separator: str
    needs_columns: ClassVar[bool] = True

    def _as_text(self, answers: Answers) -> Answers:
        """Return the answers with JSON's values as text."""
        return [
            [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
            if column.kind == "json"
            else values
            for column, values in zip(self.appended, answers, strict=True)
        ]

    @abc.abstractmethod
    def head(self, none: Rows) -> bytes:
        """Return what stands before the first piece, of a table's columns without its rows."""

    @abc.abstractmethod
    def piece(self, rows: Rows, answers: Answers) -> bytes:
        """Return some rows with their answers."""

    def finish(self, pieces: Path) -> Path:
        """Return a file with the whole table, of the head and all pieces, one after the other; it may be ``pieces``."""
        return pieces


@dataclasses.dataclass(frozen=True)
class _TextForm(OutputForm):
    """Text in UTF-8, packed or not: then each piece is a member of its own, so that the file can be gone on with.

    Attributes:
        is_packed: whether gzip packs it.
    """

    is_packed: bool = False

    def _encoded(self, text: str) -> bytes:
        return gzip.compress(text.encode(), _LEVEL, mtime=0) if self.is_packed else text.encode()


@dataclasses.dataclass(frozen=True)
class CsvForm(_TextForm):
    """CSV or TSV as in RFC 4180, in UTF-8, with a header; a line ends with a line feed.

    Attributes:
        delimiter: what stands between fields.
    """

    delimiter: str = ","

    def head(self, none: Rows) -> bytes:
        """Return the header."""
        return self._lines([[*none.names, *(column.name for column in self.appended)]])

    def piece(self, rows: Rows, answers: Answers) -> bytes:
        """Return the rows' lines."""
        columns = [list(map(self._field, column)) for column in self._as_text(answers)]
        return self._lines([[*row, *its] for row, its in zip(rows.fields(), zip(*columns, strict=True), strict=True)])

    def _field(self, value: Any) -> str:
        if isinstance(value, list):
            return self.separator.join(value)
        return "" if value is None else str(value)

    def _lines(self, rows: list[list[str]]) -> bytes:
        stream = io.StringIO()
        csv.writer(stream, delimiter=self.delimiter, lineterminator="\n").writerows(rows)
        text = stream.getvalue()
        if "\r" in text:  # which Python's writer quotes in some versions alone, and readers take for the end of a line
            text = "".join(map(self._line, rows))
        return self._encoded(text)

    def _line(self, row: list[str]) -> str:
        stream = io.StringIO()
        write = partial(csv.writer, stream, delimiter=self.delimiter, lineterminator="\n")
        has_return = any("\r" in field for field in row)
        (write(quoting=csv.QUOTE_ALL) if has_return else write()).writerow(row)
        return stream.getvalue()


@dataclasses.dataclass(frozen=True)
class JsonForm(_TextForm):
    """A JSON object a line, in UTF-8."""

    needs_columns: ClassVar[bool] = False

    def head(self, none: Rows) -> bytes:
        """Return nothing, if each column has a name of its own."""
        _require_distinct(none.names)
        return b""

    def piece(self, rows: Rows, answers: Answers) -> bytes:
        """Return the rows' lines: what stands in an object stays as it is."""
        names = [json.dumps(column.name, ensure_ascii=False) for column in self.appended]
        lines = []
        for text, values in zip(rows.objects(), zip(*answers, strict=True), strict=True):
            its = ", ".join(
                f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in zip(names, values, strict=True)
            )
            before = text[:-1].rstrip()
            lines.append(f"{before}{'' if before == '{' else ', '}{its}}}\n")
        return self._encoded("".join(lines))


@dataclasses.dataclass(frozen=True)
class ParquetForm(OutputForm):
    """Parquet; a piece is a length and a stream of Arrow's, which are made one file at the end."""

    def head(self, none: Rows) -> bytes:
        """Return the columns, of no rows."""
        _require_distinct(none.names)
        return self.piece(none, [[] for _ in self.appended])

    def piece(self, rows: Rows, answers: Answers) -> bytes:
        """Return the rows as a stream of Arrow's."""
        pa, _ = import_pyarrow()
        table = with_answers(rows.arrow(), self.appended, self._as_text(answers))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(table)
        content = sink.getvalue().to_pybytes()
        return len(content).to_bytes(_LENGTH, "little") + content

    def finish(self, pieces: Path) -> Path:
        """Write one file beside the pieces, with row groups of several of them."""
        _, pq = import_pyarrow()
        whole = pieces.with_name(WHOLE)
        with pieces.open("rb") as stream, atomic_write(whole) as target:
            tables = _tables(stream)
            with pq.ParquetWriter(target, next(tables).schema) as writer:
                for group in _groups(tables):
                    writer.write_table(group, row_group_size=group.num_rows)
        return whole


def with_answers(table: Any, appended: Sequence[AnswerColumn], answers: Answers) -> Any:
    """Return a ``pyarrow.Table`` with its answers as further columns."""
    pa, _ = import_pyarrow()
    for column, values in zip(appended, answers, strict=True):
        table = table.append_column(column.name, pa.array(values, _arrow_kind(column)))
    return table


def _tables(pieces: IO[bytes]) -> Iterator[Any]:
    pa, _ = import_pyarrow()
    while length := pieces.read(_LENGTH):
        yield pa.ipc.open_stream(pieces.read(int.from_bytes(length, "little"))).read_all()


def _groups(tables: Iterator[Any]) -> Iterator[Any]:
    """Yield tables put together until they have rows, or bytes, enough for a group."""
    pa, _ = import_pyarrow()
    waiting: list[Any] = []
    rows = size = 0
    for table in tables:
        waiting.append(table)
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)


def _require_distinct(names: Sequence[str]) -> None:
    twice = first_repeated(names)
    if twice is not None:
        raise InputError(f"the table has several columns {twice!r}; rename them, or write CSV, where they may be")


def _arrow_kind(column: AnswerColumn) -> Any:
    pa, _ = import_pyarrow()
    kinds = {"number": pa.float64(), "texts": pa.list_(pa.string())}
    return kinds.get(column.kind, pa.string())


_TEXT_FORMS: dict[str, Callable[..., OutputForm]] = {
    ".csv": CsvForm,
    ".tsv": partial(CsvForm, delimiter="\t"),
    ".jsonl": JsonForm,
    ".ndjson": JsonForm,
}
_PACKING, _PARQUET = ".gz", ".parquet"


def has_form(path: Path) -> bool:
    """Return whether a file's name says how it is written as a table."""
    name = path.name.lower()
    return name.endswith(_PARQUET) or Path(name.removesuffix(_PACKING)).suffix in _TEXT_FORMS


def form_of(path: Path, appended: tuple[AnswerColumn, ...], separator: str) -> OutputForm:
    """Return the form that a file's name asks for.

    Raises:
        InputError: its ending is none of those known.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    name = path.name.lower()
    if name.endswith(_PARQUET):
        import_pyarrow()  # it is said at once where it is missing
        return ParquetForm(appended, separator)
    form = _TEXT_FORMS.get(Path(name.removesuffix(_PACKING)).suffix)
    if form is None:
        raise InputError(
            f"--output {path}: expected a name that ends in {', '.join(_TEXT_FORMS)} (and may end in {_PACKING} after "
            f"that) or {_PARQUET}, got {path.name!r}"
        )
    return form(appended, separator, is_packed=name.endswith(_PACKING))
