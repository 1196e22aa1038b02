"""The arrays of an export folder, part by part, each checked against every rule of the format."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from distill_jax.errors import InputError, MissingInputError
from distill_jax.export.distinct_ids import DistinctIds
from distill_jax.export.format import (
    HINTS,
    MANIFEST,
    OPTIONAL_ARRAYS,
    TOKEN_EMBEDDINGS,
    WEIGHTS,
    ExportFormatError,
    Manifest,
    Part,
    PartInfo,
    require_whole,
)
from distill_jax.files import sha256_file
from distill_jax.npz import npy_shape, read_npy, read_npz
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

_PART_DTYPES = {
    "example_ids": np.dtype(np.int64),
    "token_ids": np.dtype(np.int32),
    "token_offsets": np.dtype(np.int64),
    "labels": np.dtype(np.int32),  # of one class a row
    "teacher_logits": np.dtype(np.float32),
}
_OPTIONAL_DTYPES = {WEIGHTS: np.dtype(np.float32), HINTS: np.dtype(np.int8)}


def read_part(folder: Path, info: PartInfo, manifest: Manifest, *, hints: bool = False) -> Part:
    """Read one part, check its bytes against the manifest's hash and its arrays against every rule of the format.

    Args:
        folder: the export folder.
        info: what the manifest says of the part.
        manifest: the manifest.
        hints: read its hints too, which are the most of its bytes.

    Raises:
        MissingInputError: the part is not there.
        ExportFormatError: its hash, its row count, or one of its arrays is wrong.
    """
    path = Path(folder) / info.file
    if not path.is_file():
        raise MissingInputError(f"part {path}: the manifest lists it, but there is no such file; export again")
    digest = sha256_file(path)
    if digest != info.sha256:
        raise ExportFormatError(
            f"part {path}: its bytes do not match the manifest (expected SHA-256 {info.sha256[:12]}…, "
            f"got {digest[:12]}…); it was changed or damaged: delete it and export again"
        )
    arrays = load_arrays(path, hints=hints)
    validate_arrays(arrays, manifest.num_labels, manifest.vocab_size, f"part {path}", manifest.labelling)
    part = Part.of(arrays)
    if len(part) != info.examples:
        raise ExportFormatError(f"part {path}: expected {info.examples} rows (the manifest), got {len(part)}")
    wanted, found = manifest.hint_width_of(info.file), 0 if part.hints is None else part.hints.shape[1]
    if hints and found != wanted:
        raise ExportFormatError(
            f"part {path}: hints: expected {wanted} numbers a token (config.hint_width of the manifest; 0 = none), got "
            f"{found}"
        )
    return part


def load_arrays(path: Path, *, hints: bool = True) -> dict[str, np.ndarray]:
    """Load a part's arrays, unpickling nothing; whether they keep the rules is ``validate_arrays``'s business."""
    try:
        return read_npz(path, "part", list(_PART_DTYPES), optional=OPTIONAL_ARRAYS if hints else (WEIGHTS,))
    except InputError as error:
        raise ExportFormatError(str(error)) from None


def validate_arrays(
    arrays: Mapping[str, np.ndarray], num_labels: int, vocab_size: int, where: str, task: Task = SINGLE_LABEL
) -> None:
    """Raise ``ExportFormatError`` for the first rule that a part's arrays break; ``where`` names the part."""
    rows = arrays["example_ids"].size
    shapes = {
        "example_ids": (rows,),
        "token_ids": (arrays["token_ids"].size,),
        "token_offsets": (rows + 1,),
        "labels": task.label_shape(rows, num_labels),
        "teacher_logits": (rows, num_labels),
        WEIGHTS: (rows,),
        HINTS: (arrays["token_ids"].size, *arrays[HINTS].shape[-1:]) if HINTS in arrays else (),
    }
    further = {name: dtype for name, dtype in _OPTIONAL_DTYPES.items() if name in arrays}
    for name, dtype in {**_PART_DTYPES, "labels": task.label_dtype, **further}.items():
        array = arrays[name]
        if array.dtype != dtype or array.shape != shapes[name]:
            raise ExportFormatError(
                f"{where}: {name}: expected {dtype} {list(shapes[name])}, got {array.dtype} {list(array.shape)}"
            )
    offsets, total = arrays["token_offsets"], len(arrays["token_ids"])
    if offsets[0] != 0 or offsets[-1] != total or np.any(offsets[1:] < offsets[:-1]):  # a difference may wrap
        raise ExportFormatError(f"{where}: token_offsets: expected to start at 0, never decrease and end at {total}")
    if len(np.unique(arrays["example_ids"])) != rows:
        raise ExportFormatError(f"{where}: example_ids: expected every row's to differ, got repeated ones")
    _require_between(arrays["token_ids"], 0, vocab_size - 1, f"{where}: token_ids (token {{index}})")
    fault = task.check_labels(arrays["labels"], num_labels)
    if fault:
        raise ExportFormatError(f"{where}: labels (row {fault[0]}): {fault[1]}")
    _require_weights(arrays.get(WEIGHTS), where)
    logits = arrays["teacher_logits"]
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ExportFormatError(
            f"{where}: teacher_logits (row {row}): expected finite numbers, got {logits[row].tolist()}"
        )


def _require_weights(weights: np.ndarray | None, where: str) -> None:
    if weights is None:
        return
    right = np.isfinite(weights) & (weights >= 0)
    if not right.all():
        row = int(np.argmin(right))
        raise ExportFormatError(
            f"{where}: {WEIGHTS} (row {row}): expected a finite number from 0 on, got {weights[row]}"
        )


def _require_between(array: np.ndarray, low: int, high: int, where: str) -> None:
    wrong = (array < low) | (array > high)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ExportFormatError(f"{where.format(index=index)}: expected {low} to {high}, got {int(array[index])}")


def iterate_parts(folder: Path, manifest: Manifest, split: str, *, hints: bool = False) -> Iterator[Part]:
    """Yield a split's parts in row order, each read and validated when its turn comes, with its hints or without.

    Raises:
        ExportFormatError: a part is wrong, or an example id stands in two parts.
    """
    if split not in manifest.splits:
        raise ExportFormatError(f"export folder {folder}: it has no split {split!r}, only {sorted(manifest.splits)}")
    seen = DistinctIds()
    for info in manifest.splits[split]:
        part = read_part(folder, info, manifest, hints=hints)
        if not seen.add(part.example_ids):  # within a part they differ: reading it saw to that
            raise ExportFormatError(
                f"part {Path(folder) / info.file}: example_ids: expected none of an earlier part's, got repeated ones"
            )
        yield part


def require_vocabulary(folder: Path, manifest: Manifest) -> None:
    """Check the manifest's ``vocab_size`` against the embedding table's file: a student's memory depends on it.

    Raises:
        ExportFormatError: the table has another number of rows; an export without a table is not checked.
    """
    path = Path(folder) / TOKEN_EMBEDDINGS
    if not path.is_file():
        return
    try:
        shape = npy_shape(path, "embedding table")
    except InputError as error:
        raise ExportFormatError(str(error)) from None
    if shape[:1] != (manifest.vocab_size,):
        rows = shape[0] if shape else 0
        raise ExportFormatError(
            f"export folder {folder}: vocab_size: expected {rows}, the rows of {TOKEN_EMBEDDINGS}, got "
            f"{manifest.vocab_size} ({MANIFEST}); export again"
        )


def read_token_embeddings(folder: Path, manifest: Manifest) -> np.ndarray:
    """Return what students' embeddings may start from, float16 [vocab_size, dim]."""
    path = Path(folder) / TOKEN_EMBEDDINGS
    if path.is_file():  # a damaged file is called that before it is read, and one that is replaced meanwhile after
        require_whole(Path(folder), TOKEN_EMBEDDINGS, manifest)
    try:
        table = read_npy(path, "embedding table")
    except MissingInputError:
        raise MissingInputError(
            f"{path}: expected the teacher's embedding table, found no file; export again"
        ) from None
    except InputError as error:
        raise ExportFormatError(str(error)) from None
    if table.dtype != np.float16 or table.ndim != 2 or len(table) != manifest.vocab_size:
        raise ExportFormatError(
            f"{path}: expected float16 [{manifest.vocab_size}, dim], got {table.dtype} {list(table.shape)}"
        )
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        raise ExportFormatError(f"{path}: row {int(np.argmin(finite))}: expected finite numbers; export again")
    require_whole(Path(folder), TOKEN_EMBEDDINGS, manifest)
    return table
