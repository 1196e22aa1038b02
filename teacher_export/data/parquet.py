"""Read Parquet row by row through pyarrow, a batch in memory at a time."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError, MissingExtraError
from teacher_export.data.rows import Row, Wanted, is_wanted, place
from teacher_export.data.sources import OnBytes, not_utf8, open_data

_BATCH_ROWS = 2048


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError('reading Parquet needs pyarrow; run pip install "distill-jax[teacher]"') from None
    return pa, pq


@contextlib.contextmanager
def _open_parquet(path: Path, on_bytes: OnBytes | None = None) -> Iterator[Any]:
    """Open a ``pyarrow.parquet.ParquetFile``; a gzipped one is decompressed into an unnamed temporary file."""
    pa, pq = _pyarrow()
    with contextlib.ExitStack() as stack:
        source: Any = path
        if path.suffix.lower() == ".gz":
            source = stack.enter_context(tempfile.TemporaryFile())
            with open_data(path, on_bytes) as stream:
                shutil.copyfileobj(stream, source, 1 << 20)
        try:
            yield stack.enter_context(pq.ParquetFile(source))
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file system's, not the file's
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(
                f"data file {path}: expected a Parquet file, got a broken or other one ({reason}); fetch it again"
            ) from None


def parquet_columns(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns."""
    with _open_parquet(path) as file:
        return list(file.schema_arrow.names)


def parquet_rows(
    path: Path, columns: Sequence[str], on_bytes: OnBytes | None = None, wanted: Wanted | None = None
) -> Iterator[Row]:
    """Yield the rows of a Parquet file; see ``readers.read_rows``."""
    pa, _ = _pyarrow()
    size, zipped = path.stat().st_size, path.suffix.lower() == ".gz"
    with _open_parquet(path, on_bytes) as file:
        total = max(file.metadata.num_rows, 1)
        start = told = 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(dict.fromkeys(columns))):
            end = start + batch.num_rows
            numbers = [number for number in range(start, end) if is_wanted(wanted, number)]
            if len(numbers) < batch.num_rows:
                batch = batch.take(pa.array([number - start for number in numbers], pa.int64()))  # noqa: PLW2901
            values = [_python_values(path, batch.column(name), numbers) for name in columns]
            for number, row in zip(numbers, zip(*values, strict=True), strict=True):
                yield Row(path, number, None, row)
            start = end
            if on_bytes is not None and not zipped:
                on_bytes(size * start // total - told)
                told = size * start // total


def _python_values(path: Path, column: Any, numbers: list[int]) -> list[Any]:
    """Return a column's values as Python objects; the row of text that is not UTF-8 is found one by one."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        for number, scalar in zip(numbers, column, strict=True):
            try:
                scalar.as_py()
            except UnicodeDecodeError as error:
                raise not_utf8(place(path, number, None), error) from None
        raise
