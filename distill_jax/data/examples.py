"""Examples: the rows of a split, with their tokens, labels and teacher's logits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.export.format import Manifest, Part
from distill_jax.export.reader import iterate_parts
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class Examples:
    """Rows of a split.

    Attributes:
        tokens: the rows' tokens, special ones included.
        labels: [n], the task's: of one class a row int32, −1 = unlabelled.
        teacher_logits: float32 [n, classes], or None.
        example_ids: int64 [n], the rows' numbers in the source, or None.
        length: the tokens that rows are padded to; no row has more.
        transfer_rows: how many of the last rows are a transfer set's.
        weights: float32 [n], what each row's loss is multiplied by in training; None = every row counts as one.
        hints: int8 [tokens, width] of each row, what the context adds to each of its tokens in the teacher
            (``export.format.HINT_STEP``), or None.
    """

    tokens: Ragged
    labels: np.ndarray
    teacher_logits: np.ndarray | None = None
    example_ids: np.ndarray | None = None
    length: int = dataclasses.field(kw_only=True)
    transfer_rows: int = dataclasses.field(default=0, kw_only=True)
    weights: np.ndarray | None = dataclasses.field(default=None, kw_only=True)
    hints: Ragged | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        rows = len(self.labels)
        for name in ("tokens", "teacher_logits", "example_ids", "weights", "hints"):
            array = getattr(self, name)
            if array is not None and len(array) != rows:
                raise InputError(f"{name}: expected {rows} rows, as many as labels, got {len(array)}")
        if self.hints is not None:
            self._check_hints(self.hints)
        longest = int(self.tokens.lengths.max(initial=0))
        if longest > self.length:
            raise InputError(f"tokens: expected rows of at most {self.length} tokens (length), got one of {longest}")

    def _check_hints(self, hints: Ragged) -> None:
        if hints.ids.dtype != np.int8 or hints.ids.ndim != 2:
            raise InputError(f"hints: expected int8 [tokens, width], got {hints.ids.dtype} {list(hints.ids.shape)}")
        if not np.array_equal(hints.lengths, self.tokens.lengths):
            raise InputError("hints: expected one for each token of each row, got other lengths than tokens have")

    @classmethod
    def from_padded(
        cls,
        input_ids: np.ndarray,
        labels: np.ndarray,
        teacher_logits: np.ndarray | None = None,
        example_ids: np.ndarray | None = None,
        *,
        pad_id: int = 0,
    ) -> "Examples":
        """Return the examples of rows [n, length] that ``pad_id`` fills up on the right."""
        tokens = Ragged.from_padded(input_ids, pad_id)
        return cls(tokens, labels, teacher_logits, example_ids, length=np.shape(input_ids)[1])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    def labelled(self, task: Task = SINGLE_LABEL) -> "Examples":
        """Return the rows that have a label."""
        known = task.is_labelled(self.labels)
        return self if known.all() else self.take(known)

    def take(self, rows: np.ndarray) -> "Examples":
        """Return some of the rows: those of these numbers, in their order, or those where a mask is true."""
        logits, ids, weights = self.teacher_logits, self.example_ids, self.weights
        return Examples(
            self.tokens.take(rows),
            self.labels[rows],
            None if logits is None else logits[rows],
            None if ids is None else ids[rows],
            length=self.length,
            weights=None if weights is None else weights[rows],
            hints=None if self.hints is None else self.hints.take(rows),
        )

    def share(self, share: float, seed: int) -> "Examples":
        """Return a ``share`` of the rows, at least one, drawn by ``seed``; they keep their order."""
        count = max(1, round(share * len(self)))
        return self if count >= len(self) else self.take(drawn_rows(len(self), count, seed))


def drawn_rows(rows: int, count: int, seed: int) -> np.ndarray:
    """Return ``count`` of the numbers below ``rows``, drawn by ``seed``, ascending, int64 [count]."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def read_examples(folder: Path, manifest: Manifest, split: str, *, hints: bool = False) -> Examples:
    """Read a split of an export folder, part by part, with its hints where there are some, or without.

    Raises:
        ExportFormatError: a part is damaged.
        InputError: the split has no rows, or a text is longer than the manifest's ``max_length``.
    """
    if not manifest.examples(split):
        raise InputError(f"export folder {folder}: split {split!r}: expected at least one row, got none")
    parts = []
    for part in iterate_parts(folder, manifest, split, hints=hints):
        require_length(part, manifest.max_length, f"export folder {folder}: split {split!r}")
        parts.append(part)
    return Examples(
        Ragged.concatenate([part.tokens for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.teacher_logits for part in parts]),
        np.concatenate([part.example_ids for part in parts]),
        length=manifest.max_length,
        weights=normalised_weights([part.weights for part in parts], f"export folder {folder}: split {split!r}"),
        hints=joined_hints(parts),
    )


def joined_hints(parts: Sequence[Part]) -> Ragged | None:
    """Return the hints of parts' rows, one after the other; None where the parts have none."""
    there = [Ragged(part.hints, part.tokens.lengths) for part in parts if part.hints is not None]
    if len(there) < 2:
        return there[0] if there else None
    return Ragged.concatenate(there)


def normalised_weights(parts: Sequence[np.ndarray | None], where: str) -> np.ndarray | None:
    """Return rows' weights, float32 [n], divided by their mean: learning rates are those of rows that count as one."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    if len(there) < len(parts):
        raise InputError(f"{where}: weights: expected them in every part or in none, got {len(there)} of {len(parts)}")
    weights = np.concatenate(there).astype(np.float64)
    if not weights.any():
        raise InputError(f"{where}: weights: expected one above 0, got 0 alone")
    return (weights / weights.mean()).astype(np.float32)


def require_length(part: Part, most: int, where: str) -> None:
    """Raise ``InputError`` for a row of more than ``most`` tokens; ``where`` names the split."""
    lengths = part.tokens.lengths
    if lengths.max(initial=0) > most:
        row = int(lengths.argmax())
        raise InputError(
            f"{where}: example {part.example_ids[row]} has {lengths[row]} tokens, more than the manifest's max_length "
            f"{most}; export again"
        )


def with_transfer(train: Examples, transfer: Examples | None, share: float, seed: int) -> Examples:
    """Return the training rows, followed by the ``share`` of the transfer set that ``seed`` draws, if there is one."""
    return train if transfer is None else concatenate(train, transfer.share(share, seed))


def concatenate(first: Examples, second: Examples) -> Examples:
    """Return the training rows and those of the transfer set behind them; both have teacher logits."""
    assert first.teacher_logits is not None
    assert second.teacher_logits is not None
    return Examples(
        Ragged.concatenate([first.tokens, second.tokens]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.teacher_logits, second.teacher_logits]),
        length=max(first.length, second.length),
        transfer_rows=len(second),
        hints=None if first.hints is None or second.hints is None else Ragged.concatenate([first.hints, second.hints]),
        weights=None if first.weights is None else np.concatenate([first.weights, np.ones(len(second), np.float32)]),
    )
