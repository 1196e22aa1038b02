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


def real_lengths(input_ids: np.ndarray, pad_id: int) -> np.ndarray:
    """Return one more than the position of each row's last token that is not padding, int64 [n]; 0 = none.

    Args:
        input_ids: int [n, length], or [n, length, ngrams] with the token itself first.
        pad_id: the id of padding.
    """
    input_ids = input_ids if input_ids.ndim == 2 else input_ids[:, :, 0]
    length = input_ids.shape[1]
    from_the_end = (input_ids != pad_id)[:, ::-1].argmax(axis=1)
    return np.where((input_ids != pad_id).any(axis=1), length - from_the_end, 0)


def length_buckets(needed: np.ndarray, longest: int, limit: int = 4, multiple: int = 8) -> np.ndarray:
    """Return at most ``limit`` lengths that batches are cut to, int64, ascending, the last one enough for all.

    A program is compiled for each length, so there are few of them; among multiples of ``multiple`` they are chosen to
    make the sum over batches of the length each is cut to as small as it can be (dynamic programming).

    Args:
        needed: int [batches], the tokens that each batch needs.
        longest: the uncut length, in tokens; no bucket is longer.
        limit: how many lengths at most.
        multiple: what lengths are multiples of (but for ``longest``).
    """
    rounded = np.minimum(-(-np.maximum(needed, 1) // multiple) * multiple, longest)
    lengths, counts = np.unique(rounded, return_counts=True)
    count = len(lengths)
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())] + [
        (int(lengths[i] * counts[: i + 1].sum()), (i,)) for i in range(count)
    ]
    for _ in range(min(limit, count) - 1):
        best = [(0, ())] + [
            min(
                [best[i + 1]]
                + [(best[j][0] + int(lengths[i] * counts[j : i + 1].sum()), (*best[j][1], i)) for j in range(1, i + 1)]
            )
            for i in range(count)
        ]
    return lengths[list(best[count][1])]


def shuffled_by_length(lengths: np.ndarray, batch_size: int, rng: np.random.Generator, window: int = 64) -> np.ndarray:
    """Return the rows in a random order in which each batch has texts of like length, int64 [n].

    Rows are shuffled, sorted by length within windows of ``window`` batches, and the full batches are shuffled; the
    last batch is the one that may be short.
    """
    order = rng.permutation(len(lengths))
    size = window * batch_size
    blocks = [order[i : i + size] for i in range(0, len(order), size)]
    order = np.concatenate([block[np.argsort(lengths[block], kind="stable")] for block in blocks])
    full = len(order) // batch_size * batch_size
    batches = rng.permutation(order[:full].reshape(-1, batch_size), axis=0)
    return np.concatenate([batches.reshape(-1), order[full:]])


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


@dataclasses.dataclass(frozen=True)
class Compaction:
    """A smaller vocabulary of the tokens that occur; rows of the table that no text uses never move.

    Attributes:
        tokens: int32 [kept], the ids that occur, ascending, ``pad_id`` among them.
        pad_id: the pad token's place among them.
        compact_of: int32 [vocab_size], each id's place among them; 0 for those that do not occur.
    """

    tokens: np.ndarray
    pad_id: int
    compact_of: np.ndarray

    @classmethod
    def of(cls, splits: list[np.ndarray], vocab_size: int, pad_id: int) -> "Compaction":
        """Return the compaction of the tokens in several arrays of ids.

        Raises:
            InputError: an id lies outside the vocabulary.
        """
        occurs = np.zeros(vocab_size, bool)
        occurs[pad_id] = True
        for ids in splits:
            if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
                wrong = int(ids.max() if ids.max() >= vocab_size else ids.min())
                raise InputError(f"input_ids: expected 0 to {vocab_size - 1} (the student's vocabulary), got {wrong}")
            occurs[ids] = True
        tokens = np.flatnonzero(occurs).astype(np.int32)
        compact_of = np.zeros(vocab_size, np.int32)
        compact_of[tokens] = np.arange(len(tokens), dtype=np.int32)
        return cls(tokens, int(compact_of[pad_id]), compact_of)

    def apply(self, input_ids: np.ndarray) -> np.ndarray:
        """Return the same texts in compact ids, int32, in the same shape."""
        return self.compact_of[input_ids]


def padded_rows(array: np.ndarray, multiple: int, fill: float = 0) -> np.ndarray:
    """Return ``array`` with rows of ``fill`` after its last, up to a multiple of ``multiple`` rows."""
    missing = -len(array) % multiple
    if not missing:
        return array
    return np.concatenate([array, np.full((missing, *array.shape[1:]), fill, array.dtype)])
