"""Training rows that stay on the disk: what is known of each, and the rows themselves when they are asked for."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.data.examples import Examples, drawn_rows, joined_hints, normalised_weights, require_length
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.export.format import Manifest, PartInfo
from distill_jax.export.reader import read_part
from distill_jax.students.config import StudentConfig
from distill_jax.tasks.task import Task


@dataclasses.dataclass(frozen=True)
class StoredExamples:
    """Rows of an export's splits, one after the other, of which tokens and teacher's logits stay in the parts.

    Attributes:
        folder: the export folder.
        manifest: its manifest.
        infos: the parts, in row order.
        numbers: int64 [n], which of the parts' rows these are, ascending.
        labels: [n], the task's.
        lengths: int32 [n], the tokens of each row as the student gets it, without padding at its end.
        seen: int32, the ids that occur in the student's inputs, ascending.
        width: the ids that a token of the inputs has: 1, or its n-grams.
        is_constant: whether the teacher says the same of every row.
        room: the bytes that the rows in memory may take.
        transfer_rows: how many of the last rows are a transfer set's.
        weights: float32 [n], what each row's loss is multiplied by; None = every row counts as one.
        hint_width: the numbers of each token's hint that are read with the rows; 0 = hints are not.
    """

    folder: Path
    manifest: Manifest
    infos: tuple[PartInfo, ...]
    numbers: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    seen: np.ndarray
    width: int
    is_constant: bool
    room: int = 0
    transfer_rows: int = 0
    weights: np.ndarray | None = None
    hint_width: int = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.labels)

    @property
    def length(self) -> int:
        """The tokens that rows are padded to."""
        return self.manifest.max_length

    @cached_property
    def stops(self) -> np.ndarray:
        """One more than the number of each part's last row, int64 [parts]."""
        return np.cumsum([info.examples for info in self.infos])

    @cached_property
    def part_stops(self) -> np.ndarray:
        """One more than the place among these rows of each part's last one, int64 [parts]."""
        return np.searchsorted(self.numbers, self.stops)

    def labelled(self, task: Task) -> "StoredExamples":
        """Return the rows that have a label."""
        known = task.is_labelled(self.labels)
        return self if known.all() else self._only(np.flatnonzero(known))

    def share_of_transfer(self, share: float, seed: int) -> "StoredExamples":
        """Return all but the transfer set's rows, and the ``share`` of those that ``seed`` draws."""
        count = max(1, round(share * self.transfer_rows))
        if not self.transfer_rows or count >= self.transfer_rows:
            return self
        first = len(self) - self.transfer_rows
        drawn = drawn_rows(self.transfer_rows, count, seed)
        return dataclasses.replace(self._only(np.concatenate([np.arange(first), first + drawn])), transfer_rows=count)

    def _only(self, rows: np.ndarray) -> "StoredExamples":
        weights = None if self.weights is None else self.weights[rows]
        return dataclasses.replace(
            self, numbers=self.numbers[rows], labels=self.labels[rows], lengths=self.lengths[rows], weights=weights
        )

    def read(self, rows: np.ndarray) -> Examples:
        """Return some of the rows, read from the parts that have them.

        Args:
            rows: their places among these, int64 [n], ascending.

        Raises:
            ExportFormatError: a part is damaged.
        """
        numbers, found = self.numbers[rows], []
        for index in np.unique(np.searchsorted(self.stops, numbers, side="right")).tolist():
            first, stop = self.stops[index] - self.infos[index].examples, self.stops[index]
            part = read_part(self.folder, self.infos[index], self.manifest, hints=self.hint_width > 0)
            wanted = numbers[np.searchsorted(numbers, first) : np.searchsorted(numbers, stop)] - first
            rows_tokens = [part.tokens, joined_hints([part])]
            if len(wanted) < len(part):
                rows_tokens = [None if each is None else each.take(wanted) for each in rows_tokens]
            found.append((*rows_tokens, part.teacher_logits[wanted]))
        tokens, hints, logits = zip(*found, strict=True)
        return Examples(
            Ragged.concatenate(tokens),
            self.labels[rows],
            np.concatenate(logits),
            length=self.length,
            weights=None if self.weights is None else self.weights[rows],
            hints=Ragged.concatenate(hints) if self.hint_width else None,
        )


def store_examples(
    folder: Path, manifest: Manifest, splits: Sequence[str], student: StudentConfig, *, hints: bool = False
) -> StoredExamples:
    """Look once at all rows of the train split, and of the transfer split where it is learnt from.

    Ids of examples are compared within each part, not across parts, which would take 16 bytes an id.

    Args:
        folder: the export folder.
        manifest: its manifest.
        splits: ``train``, and maybe ``transfer``.
        student: whose inputs are made of the tokens.
        hints: whether the rows' hints are read with them.

    Raises:
        ExportFormatError: a part is damaged.
        InputError: a split has no rows, or a text is longer than the manifest's ``max_length``.
    """
    occurs, width = np.zeros(student.ids, bool), 1
    found: dict[str, list[Any]] = {"labels": [], "lengths": [], "weights": [], "firsts": []}
    is_constant = True
    for split in splits:
        where = f"export folder {folder}: split {split!r}"
        if not manifest.examples(split):
            raise InputError(f"{where}: expected at least one row, got none")
        for info in manifest.splits[split]:
            part = read_part(folder, info, manifest, hints=hints)
            require_length(part, manifest.max_length, where)
            inputs = student.inputs(part.tokens)
            width = 1 if inputs.ids.ndim == 1 else inputs.ids.shape[1]
            occurs[inputs.ids] = True
            found["labels"].append(part.labels)
            found["lengths"].append(inputs.trimmed(student.pad_id).lengths.astype(np.int32))
            found["firsts"] = found["firsts"] or [part.teacher_logits[:1]]
            found["weights"] += [part.weights] if split == "train" else []
            answers = np.concatenate([*found["firsts"], part.teacher_logits])
            is_constant = is_constant and manifest.labelling.is_constant(answers)
    infos = tuple(info for split in splits for info in manifest.splits[split])
    transfer = manifest.examples("transfer") if "transfer" in splits else 0
    weights = normalised_weights(found["weights"], f"export folder {folder}: split 'train'")
    if weights is not None:
        weights = np.concatenate([weights, np.ones(transfer, np.float32)])
    return StoredExamples(
        folder=folder,
        manifest=manifest,
        infos=infos,
        numbers=np.arange(sum(info.examples for info in infos)),
        labels=np.concatenate(found["labels"]),
        lengths=np.concatenate(found["lengths"]),
        seen=np.flatnonzero(occurs).astype(np.int32),
        width=width,
        is_constant=is_constant,
        transfer_rows=transfer,
        weights=weights,
        hint_width=manifest.hint_width if hints else 0,
    )
