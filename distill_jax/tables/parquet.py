"""Read Parquet row by row through pyarrow, a batch in memory at a time."""

import contextlib
import faulthandler
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, reason_of
from distill_jax.extras import missing_extra
from distill_jax.tables.byte_streams import OnBytes
from distill_jax.tables.compression import is_packed
from distill_jax.tables.rows import OnBadRow, Row, RowError, Wanted, is_wanted, place, refuse
from distill_jax.tables.sources import MAX_ROW_BYTES, MOST_TIMES, not_utf8, row_too_long, unpack

BATCH_ROWS = 1024
_FEW_ROWS = 8
_BUFFER_BYTES = 1 << 20
_BATCH_BYTES = 1 << 26
_PREFIXED = "DELTA_BYTE_ARRAY"  # an encoding in which a few bytes may stand for a value of any size


def import_pyarrow() -> tuple[Any, Any]:
    """Return ``pyarrow`` and ``pyarrow.parquet``; ``MissingExtraError`` where they are not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise missing_extra("pyarrow", "Parquet") from None
    return pa, pq


@contextlib.contextmanager
def _open_parquet(path: Path, on_bytes: OnBytes | None = None) -> Iterator[tuple[Any, Any]]:
    """Open a ``pyarrow.parquet.ParquetFile``, and say of what; a packed one is decompressed into a temporary file."""
    pa, pq = import_pyarrow()
    with contextlib.ExitStack() as stack:
        source: Any = path
        if is_packed(path):
            source = stack.enter_context(tempfile.TemporaryFile())
            unpack(path, source, on_bytes)
        try:
            yield stack.enter_context(pq.ParquetFile(source, buffer_size=_BUFFER_BYTES)), source
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file system's, not the file's
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(
                f"data file {path}: expected a Parquet file, got a broken or other one ({reason}); fetch it again"
            ) from None


def parquet_schema(path: Path) -> Any:
    """Return a Parquet file's schema, as ``pyarrow.Schema``."""
    with _open_parquet(path) as (file, _):
        return file.schema_arrow


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns, and the paths of those within structs."""
    schema = parquet_schema(path)
    names = list(schema.names)
    within = (f"{field.name}.{path}" for field in schema for path in _paths_in(field.type))
    return [*names, *dict.fromkeys(path for path in within if path not in names)]


def parquet_note(path: Path, name: str) -> bytes | None:
    """Return what a Parquet file's schema notes under a name; None where it notes nothing."""
    with _open_parquet(path) as (file, _):
        notes: dict[bytes, bytes] = file.schema_arrow.metadata or {}
        return notes.get(name.encode())


def _paths_in(kind: Any) -> Iterator[str]:
    """Yield the paths of all fields within a struct; no other type has any."""
    pa, _ = import_pyarrow()
    if pa.types.is_struct(kind):
        for field in kind:
            yield field.name
            yield from (f"{field.name}.{path}" for path in _paths_in(field.type))


def parquet_rows(
    path: Path,
    columns: Sequence[str],
    on_bytes: OnBytes | None = None,
    wanted: Wanted | None = None,
    on_bad_row: OnBadRow = refuse,
) -> Iterator[Row]:
    """Yield the rows of a Parquet file; see ``reading.read_rows``."""
    for start, batch in parquet_batches(path, list(dict.fromkeys(columns)), on_bytes):
        yield from rows_of_batch(path, start, batch, columns, wanted, on_bad_row)


def parquet_batches(
    path: Path, columns: list[str] | None, on_bytes: OnBytes | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield a Parquet file's record batches, and the number of each one's first row; ``columns`` None = all."""
    size, zipped = path.stat().st_size, is_packed(path)
    with _open_parquet(path, on_bytes) as (file, source):
        _require_whole_chunks(path, file.metadata)
        total = max(file.metadata.num_rows, 1)
        start = told = 0
        for batch in _batches(path, file, source, columns):
            yield start, batch
            start += batch.num_rows
            if on_bytes is not None and not zipped:
                on_bytes(size * start // total - told)
                told = size * start // total


def rows_of_batch(
    path: Path,
    start: int,
    read: Any,
    columns: Sequence[str],
    wanted: Wanted | None = None,
    on_bad_row: OnBadRow = refuse,
) -> Iterator[Row]:
    """Yield a record batch's rows, of some of its columns; ``start`` is the first one's number."""
    pa, _ = import_pyarrow()
    found = {name: _column_at(read, name) for name in columns}
    batch = pa.RecordBatch.from_arrays(list(found.values()), names=list(found))
    bad = _too_long(path, batch, start)
    everything = range(start, start + batch.num_rows)
    numbers = [number for number in everything if is_wanted(wanted, number) and number not in bad]
    if len(numbers) < batch.num_rows:
        batch = batch.take(pa.array([number - start for number in numbers], pa.int64()))
    values = [_python_values(path, batch.column(name), numbers, bad) for name in columns]
    rows = dict(zip(numbers, zip(*values, strict=True), strict=True))
    for number in sorted({*rows, *bad}) if bad else numbers:
        if number in bad:
            on_bad_row(bad[number])
        else:
            yield Row(path, number, None, rows[number])


def plain_texts(read: Any, column: str) -> list[str | None] | None:
    """Return a column of a record batch as ``rows_of_batch`` would give it, quickly; None = ask that, row by row.

    That is so where each value is text in UTF-8 of no more bytes than a row may have, or null.
    """
    pa, _ = import_pyarrow()
    values = _column_at(read, column)
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if not is_text or (values.nbytes > MAX_ROW_BYTES and _largest(values) > MAX_ROW_BYTES):
        return None
    try:
        return list(values.to_pylist())
    except ValueError:  # not UTF-8
        return None


def _column_at(batch: Any, path: str) -> Any:
    """Return the column of a name, or at a path within structs; null where a struct is."""
    import pyarrow.compute as pc

    name, *within = _steps(batch.schema, path)
    column = batch.column(name)
    for step in within:
        column = pc.struct_field(column, step)
    return column


def _steps(fields: Any, path: str) -> list[str]:
    """Return the names that lead to a path; a name that has dots goes before a path."""
    pa, _ = import_pyarrow()
    if any(field.name == path for field in fields):
        return [path]
    for field in fields:
        if path.startswith(f"{field.name}.") and pa.types.is_struct(field.type):
            within = _steps(field.type, path[len(field.name) + 1 :])
            if within:
                return [field.name, *within]
    return []


def _require_whole_chunks(path: Path, metadata: Any) -> None:
    """Look at what a file says of its columns' chunks in a process of its own.

    The library ends the process where a chunk's statistics contradict the schema (``std::terminate``, pyarrow 26).

    Raises:
        InputError: it does.
    """
    if not hasattr(os, "fork"):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's and JAX's, of threads: the child starts none and asks none
        child = os.fork()
    if child == 0:
        try:
            faulthandler.disable()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            for index in range(metadata.num_row_groups):
                group = metadata.row_group(index)
                for number in range(group.num_columns):
                    group.column(number)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise InputError(
            f"data file {path}: expected a Parquet file, got a broken one (what it says of its columns contradicts its "
            "schema); fetch it again"
        )


def _batches(path: Path, file: Any, source: Any, columns: list[str] | None) -> Iterator[Any]:
    """Yield record batches, of few rows where their values may be large.

    Raises:
        InputError: there are other rows than it says; the library gives as many as a group's shortest column has.
    """
    names, groups = file.schema_arrow.names, range(file.num_row_groups)
    in_groups = sum(file.metadata.row_group(index).num_rows for index in groups)
    _require_rows(path, "the file", file.metadata.num_rows, in_groups)
    for index in groups:
        group = file.metadata.row_group(index)
        chunks = [group.column(number) for number in range(group.num_columns)]
        wanted = [chunk for chunk in chunks if columns is None or _is_of(chunk.path_in_schema, columns)]
        rows = [
            _rows_at_once(chunk, file, source, index, is_nested=chunk.path_in_schema not in names) for chunk in wanted
        ]
        left = group.num_rows
        for batch in file.iter_batches(batch_size=max(1, min(rows, default=1)), row_groups=[index], columns=columns):
            left -= batch.num_rows
            _require_within_dictionaries(path, batch)
            if left >= 0:
                yield batch
        _require_rows(path, f"row group {index}", group.num_rows, group.num_rows - left)


def _require_within_dictionaries(path: Path, batch: Any) -> None:
    """Raise ``InputError`` where a column's indices lead out of its dictionary, which the library does not look at."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if "dictionary<" not in str(column.type):  # of its own, or of a struct's or a list's
            continue
        try:
            column.validate(full=True)
        except ValueError as error:
            raise InputError(
                f"data file {path}: column {name}: expected the indices of a dictionary's words, got others "
                f"({reason_of(error)}); fetch it again"
            ) from None


def _require_rows(path: Path, where: str, said: int, found: int) -> None:
    if found != said:
        raise InputError(
            f"data file {path}: expected {said:,} rows in {where}, as it says, got {found:,}: it is broken; fetch it "
            "again"
        )


def _is_of(path: str, columns: Sequence[str]) -> bool:
    """Whether a chunk is a column's, or a part of one; a column's own name may have dots too."""
    return any(path == name or path.startswith(f"{name}.") for name in columns)


def _rows_at_once(chunk: Any, file: Any, source: Any, group: int, *, is_nested: bool) -> int:
    """Return how many rows of a column's chunk are read at a time."""
    size = chunk.total_uncompressed_size
    if size > MOST_TIMES * chunk.total_compressed_size + _BATCH_BYTES:  # one value may be all of it
        return 1
    if is_nested or _PREFIXED in chunk.encodings:
        return _FEW_ROWS
    rows = min(BATCH_ROWS, _BATCH_BYTES * chunk.num_values // max(1, size))
    if chunk.has_dictionary_page and chunk.physical_type == "BYTE_ARRAY":  # any of its values may be every row's
        rows = min(rows, _BATCH_BYTES // max(1, _largest_in_dictionary(file, source, group, chunk.path_in_schema)))
    return rows


def _largest_in_dictionary(file: Any, source: Any, group: int, column: str) -> int:
    """Return the bytes of the largest value of a chunk's dictionary, which is read without the rows that name it."""
    pa, pq = import_pyarrow()
    with pq.ParquetFile(source, metadata=file.metadata, read_dictionary=[column]) as again:
        batch = next(again.iter_batches(batch_size=1, row_groups=[group], columns=[column]), None)
    if batch is None or not pa.types.is_dictionary(batch.column(0).type):
        return 0
    return _largest(batch.column(0).dictionary)


def _largest(column: Any) -> int:
    """Return the bytes of the largest value of a column of text, or of bytes; 0 for any other column."""
    import pyarrow.compute as pc

    pa, _ = import_pyarrow()
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return int(pc.max(pc.binary_length(column)).as_py() or 0) if any(is_(column.type) for is_ in kinds) else 0


def _too_long(path: Path, batch: Any, start: int) -> dict[int, RowError]:
    """Return, by row, the errors for values of more bytes than a row may have; ``start`` is the first row's number."""
    rows: set[int] = set()
    for column in batch.columns:
        if column.nbytes > MAX_ROW_BYTES and _largest(column) > MAX_ROW_BYTES:
            rows |= {row for row in range(len(column)) if _largest(column.slice(row, 1)) > MAX_ROW_BYTES}
    return {start + row: row_too_long(place(path, start + row, None)) for row in sorted(rows)}


def _python_values(path: Path, column: Any, numbers: list[int], bad: dict[int, RowError]) -> list[Any]:
    """Return a column's values as Python objects; where one cannot be, its row's error goes to ``bad``."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # not UTF-8; or a date or a duration beyond Python's
        return [_python_value(path, scalar, number, bad) for number, scalar in zip(numbers, column, strict=True)]


def _python_value(path: Path, scalar: Any, number: int, bad: dict[int, RowError]) -> Any:
    where = place(path, number, None)
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        bad.setdefault(number, not_utf8(where, error))
    except (ValueError, OverflowError) as error:
        bad.setdefault(number, RowError(f"{where}: expected text or a number, got {scalar.type} ({error})"))
    return None
