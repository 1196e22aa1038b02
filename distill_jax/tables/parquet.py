"""Read Parquet row by row through pyarrow, a batch in memory at a time."""

import contextlib
import faulthandler
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_jax.errors import InputError, reason_of
from distill_jax.extras import missing_extra
from distill_jax.tables.byte_streams import OnBytes
from distill_jax.tables.compression import is_packed
from distill_jax.tables.rows import OnBadRow, Row, RowError, Wanted, is_wanted, place, refuse
from distill_jax.tables.sources import MAX_ROW_BYTES, MOST_TIMES, not_utf8, row_too_long, unpack

if TYPE_CHECKING:
    import numpy as np

BATCH_ROWS = 1024
_FEW_ROWS = 8
_BUFFER_BYTES = 1 << 20
_BATCH_BYTES = 1 << 26
_ROW_BYTES, _PACKED_TIMES = 1 << 30, 4  # what a row may take by the count of values; or so many times their own bytes
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
    known = set(schema.names)
    within = (f"{field.name}.{path}" for field in schema for path in _paths_in(field.type))
    return [*schema.names, *dict.fromkeys(path for path in within if path not in known)]


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
    groups, names = range(file.num_row_groups), set(file.schema_arrow.names)
    in_groups = sum(file.metadata.row_group(index).num_rows for index in groups)
    _require_rows(path, "the file", file.metadata.num_rows, in_groups)
    for index in groups:
        group, schema = file.metadata.row_group(index), file.metadata.schema
        paths = [schema.column(number).path for number in range(group.num_columns)]  # a group's own may differ
        wanted = [number for number, name in enumerate(paths) if columns is None or _is_of(name, columns)]
        rows = [_rows_at_once(path, file, source, index, each, is_nested=paths[each] not in names) for each in wanted]
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


def _rows_at_once(path: Path, file: Any, source: Any, group: int, number: int, *, is_nested: bool) -> int:
    """Return how many rows of a column's chunk are read at a time.

    A chunk says how many bytes it has and how many values, and not how these are divided among rows: of lists one row
    may have all of them, and a word of a dictionary, which stands there once, may be every value.

    Args:
        path: the file's, for messages.
        file: the file.
        source: what it was opened of.
        group: the row group's number.
        number: the column's, of those without columns within them.
        is_nested: whether it is within another column.

    Raises:
        InputError: a row may be, or is, too large for the memory.
    """
    chunk, column = file.metadata.row_group(group).column(number), file.metadata.schema.column(number)
    size, rows, name = chunk.total_uncompressed_size, file.metadata.row_group(group).num_rows, column.path
    is_text = chunk.has_dictionary_page and chunk.physical_type == "BYTE_ARRAY"
    in_one_row = chunk.num_values - rows + 1 if column.max_repetition_level else 1  # a row has one at least, or a null
    if in_one_row * _width(column) > max(_ROW_BYTES, _PACKED_TIMES * size):
        raise InputError(
            f"data file {path}: column {name}: row group {group} has {chunk.num_values:,} values in {rows:,} rows, "
            f"and one row may have nearly all of them, {in_one_row * _width(column) / 1e9:.1f} GB; write the file with "
            "smaller row groups, or without the column"
        )
    if size > MOST_TIMES * chunk.total_compressed_size + _BATCH_BYTES:  # one value may be all of it
        return 1
    found = min(BATCH_ROWS, _BATCH_BYTES * chunk.num_values // max(1, size))
    if is_nested or _PREFIXED in chunk.encodings:
        found = min(found, _FEW_ROWS)
    largest = _largest_in_dictionary(file, source, group, name) if is_text else _width(column)
    if in_one_row > 1 and is_text and in_one_row * largest > _BATCH_BYTES:
        largest = _largest_row(file, source, group, name)
        if largest > MAX_ROW_BYTES:
            raise row_too_long(f"data file {path}: row group {group}, column {name}")
    return max(1, min(found, _BATCH_BYTES // max(1, largest)))


def _width(column: Any) -> int:
    """Return the bytes of a value of a column in memory; of text those of its places in a list and a dictionary."""
    known = {"FIXED_LEN_BYTE_ARRAY": column.length, "INT32": 4, "FLOAT": 4, "BOOLEAN": 1, "BYTE_ARRAY": 16}
    return int(known.get(column.physical_type, 8))


def _dictionaries(file: Any, source: Any, group: int, column: str, rows: int) -> Iterator[Any]:
    """Yield a chunk's rows, so many at a time, their text as places in a dictionary: words are not repeated."""
    _, pq = import_pyarrow()
    with pq.ParquetFile(source, metadata=file.metadata, read_dictionary=[column]) as again:
        for batch in again.iter_batches(batch_size=rows, row_groups=[group], columns=[column]):
            yield batch.column(0)


def _largest_in_dictionary(file: Any, source: Any, group: int, column: str) -> int:
    """Return the bytes of the largest value of a chunk's dictionary, which is read without the rows that name it."""
    found = map(_largest_word, _dictionaries(file, source, group, column, BATCH_ROWS))
    return next(filter(None, found), 0)  # rows before the first word have no dictionary


def _largest_word(column: Any) -> int:
    """Return the bytes of the largest word of the dictionaries in a column, or in what is within it."""
    pa, _ = import_pyarrow()
    if pa.types.is_dictionary(column.type):
        return _largest(column.dictionary)
    return max(map(_largest_word, _within(column)), default=0)


def _largest_row(file: Any, source: Any, group: int, column: str) -> int:
    """Return the bytes of the largest row of a chunk of lists of text."""
    batches = _dictionaries(file, source, group, column, BATCH_ROWS)
    return max((int(_row_bytes(batch).max(initial=0)) for batch in batches), default=0)


def _row_bytes(column: Any) -> "np.ndarray":
    """Return the bytes of text in each row of a column, its words as often as they are named, int64 [rows]."""
    import numpy as np
    import pyarrow.compute as pc

    pa, _ = import_pyarrow()
    if pa.types.is_dictionary(column.type):
        return np.asarray(pc.binary_length(column.dictionary).take(column.indices).fill_null(0))
    if pa.types.is_struct(column.type):
        return np.asarray(sum(map(_row_bytes, _within(column)), np.zeros(len(column), np.int64)))
    if not _is_list(column.type):
        return np.zeros(len(column), np.int64)
    sizes = np.zeros(len(column.values) + 1, np.int64)
    np.cumsum(_row_bytes(column.values), out=sizes[1:])
    if pa.types.is_fixed_size_list(column.type):
        return np.diff(sizes[(column.offset + np.arange(len(column) + 1)) * column.type.list_size])
    return np.diff(sizes[np.asarray(column.offsets)])


def _within(column: Any) -> list[Any]:
    """Return the columns within a column of lists, maps or structs; of any other none."""
    pa, _ = import_pyarrow()
    if pa.types.is_struct(column.type):
        return list(column.flatten())
    return [column.values] if _is_list(column.type) else []


def _is_list(kind: Any) -> bool:
    types = import_pyarrow()[0].types
    return any(is_(kind) for is_ in (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_map))


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
