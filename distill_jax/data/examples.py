"""Examples as padded arrays, and how rows are cut, batched and compacted without changing a result."""

import dataclasses
from pathlib import Path

import numpy as np

from distill_jax.errors import InputError
from distill_jax.export.format import Manifest, Part
from distill_jax.export.reader import iterate_parts


@dataclasses.dataclass(frozen=True)
class Examples:
    """Rows of a split, padded to one length.

    Attributes:
        input_ids: int32 [n, length], padded on the right; or what ``Student.inputs`` made of it.
        labels: int32 [n]; −1 = unlabelled.
        teacher_logits: float32 [n, classes], or None.
        example_ids: int64 [n], the rows' numbers in the source, or None.
        transfer_rows: how many of the last rows are a transfer set's.
    """

    input_ids: np.ndarray
    labels: np.ndarray
    teacher_logits: np.ndarray | None = None
    example_ids: np.ndarray | None = None
    transfer_rows: int = 0

    def __post_init__(self) -> None:
        rows = len(self.labels)
        if self.input_ids.ndim not in (2, 3) or len(self.input_ids) != rows:
            raise InputError(
                f"input_ids: expected [{rows}, length], as many rows as labels, got {self.input_ids.shape}"
            )
        for name in ("teacher_logits", "example_ids"):
            array = getattr(self, name)
            if array is not None and len(array) != rows:
                raise InputError(f"{name}: expected {rows} rows, as many as labels, got {len(array)}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    @property
    def length(self) -> int:
        """The padded length, in tokens."""
        return self.input_ids.shape[1]

    def labelled(self) -> "Examples":
        """Return the rows that have a label."""
        known = self.labels >= 0
        return self if known.all() else self.take(known)

    def take(self, rows: np.ndarray) -> "Examples":
        """Return some of the rows: those of these numbers, in their order, or those where a mask is true."""
        logits, ids = self.teacher_logits, self.example_ids
        return Examples(
            self.input_ids[rows],
            self.labels[rows],
            None if logits is None else logits[rows],
            None if ids is None else ids[rows],
        )

    def share(self, share: float, seed: int) -> "Examples":
        """Return a ``share`` of the rows, at least one, drawn by ``seed``; they keep their order."""
        count = max(1, round(share * len(self)))
        return self if count >= len(self) else self.take(drawn_rows(len(self), count, seed))


def drawn_rows(rows: int, count: int, seed: int) -> np.ndarray:
    """Return ``count`` of the numbers below ``rows``, drawn by ``seed``, ascending, int64 [count]."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def read_examples(folder: Path, manifest: Manifest, split: str) -> Examples:
    """Read a split of an export folder, padded to the manifest's ``max_length``, part by part.

    Raises:
        ExportFormatError: a part is damaged, or a text is longer than ``max_length``.
        InputError: the split has no rows.
    """
    rows = manifest.examples(split)
    if not rows:
        raise InputError(f"export folder {folder}: split {split!r}: expected at least one row, got none")
    input_ids = np.full((rows, manifest.max_length), manifest.pad_id, np.int32)
    labels = np.empty(rows, np.int32)
    example_ids = np.empty(rows, np.int64)
    teacher_logits = np.empty((rows, manifest.num_labels), np.float32)
    start = 0
    for part in iterate_parts(folder, manifest, split):
        stop = start + len(part)
        _pad_into(input_ids[start:stop], part, f"export folder {folder}: split {split!r}")
        labels[start:stop], example_ids[start:stop] = part.labels, part.example_ids
        teacher_logits[start:stop] = part.teacher_logits
        start = stop
    return Examples(input_ids, labels, teacher_logits, example_ids)


def _pad_into(target: np.ndarray, part: Part, where: str) -> None:
    lengths = np.diff(part.token_offsets)
    if len(lengths) and lengths.max() > target.shape[1]:
        row = int(lengths.argmax())
        raise InputError(
            f"{where}: example {part.example_ids[row]} has {lengths[row]} tokens, more than the manifest's max_length "
            f"{target.shape[1]}; export again"
        )
    target[np.arange(target.shape[1]) < lengths[:, None]] = part.token_ids


def with_transfer(train: Examples, transfer: Examples | None, share: float, seed: int) -> Examples:
    """Return the training rows, followed by the ``share`` of the transfer set that ``seed`` draws, if there is one."""
    return train if transfer is None else concatenate(train, transfer.share(share, seed))


def concatenate(first: Examples, second: Examples) -> Examples:
    """Return the training rows and those of the transfer set behind them; both have teacher logits."""
    assert first.teacher_logits is not None
    assert second.teacher_logits is not None
    return Examples(
        np.concatenate([first.input_ids, second.input_ids]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.teacher_logits, second.teacher_logits]),
        transfer_rows=len(second),
    )
