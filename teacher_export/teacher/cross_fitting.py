"""Teachers that did not see the row: K of them, each fine-tuned on the training rows less one fold.

A teacher remembers the labels of the rows that it was fine-tuned on, so what it says of these rows and of their copies
is no estimate of what it would say of new ones. Cross-fitting asks for each row a teacher that was not trained on it.

Reference: T. Dao, G. M. Kamath, V. Syrgkanis, L. Mackey (2021), Knowledge distillation as semiparametric inference,
section 4.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from teacher_export.config import ExportConfig
from teacher_export.data.dataset import SEEN_BY_NONE
from teacher_export.teacher.finetuned import Finetuning
from teacher_export.teacher.folds import folds_digest, without_fold
from teacher_export.teacher.source import TeacherSource, canonical_json

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset
    from teacher_export.teacher.loading import Teacher

Pass = Callable[["Teacher", np.ndarray], np.ndarray]
"""From a teacher and the numbers of the rows that it is to label, int64 [m], to their logits, float32 [m, classes]."""


class CrossFitting:
    """The K teachers of an export.

    Args:
        config: what the user asked for.
        dataset: its training rows have folds.
        source: the teacher before any fine-tuning.
        device: where they are trained and run.

    Attributes:
        count: K.
        folds_sha256: of the rows' folds.

    Raises:
        InputError: a teacher's folder holds another fine-tuning.
    """

    def __init__(self, config: ExportConfig, dataset: "Dataset", source: TeacherSource, device: Any) -> None:
        assert config.finetune.teacher_folds is not None
        self._base, self._device, self.count = source, device, config.finetune.teacher_folds
        folds = dataset.splits["train"].folds
        assert folds is not None
        self.folds_sha256 = folds_digest(folds)
        what = {"folds": self.count, "folds_sha256": self.folds_sha256}
        self._finetunings = [
            Finetuning(config, without_fold(dataset, fold), source, device, {"fold": fold, **what})
            for fold in range(self.count)
        ]
        self._loaded: tuple[int, Teacher] | None = None

    def prepare(self) -> None:
        """Fine-tune the teachers that are not there yet."""
        for finetuning in self._finetunings:
            if not finetuning.is_done:
                finetuning.teacher(finetuning.untrained(self._base))

    def fingerprint(self, of_all_rows: str) -> str:
        """Return the fingerprint of all teachers, once they are there; that of the one of all rows is given."""
        return fingerprint_of_all(of_all_rows, [finetuning.source for finetuning in self._finetunings])

    def logits(self, folds: np.ndarray, label: Pass, of_all_rows: "Teacher") -> np.ndarray:
        """Return rows' logits, float32 [n, classes], each by a teacher that has not seen the row.

        Args:
            folds: int [n], each row's; -1 = none.
            label: asks a teacher.
            of_all_rows: the teacher that is asked for rows without a fold.
        """
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for fold in (SEEN_BY_NONE, *self._order()):
            rows = np.flatnonzero(folds == fold)
            if len(rows):
                parts.append((rows, label(of_all_rows if fold == SEEN_BY_NONE else self._teacher(fold), rows)))
        found = np.empty((len(folds), parts[0][1].shape[1]), np.float32)
        for rows, logits in parts:
            found[rows] = logits
        return found

    def mean(self, rows: int, label: Pass) -> np.ndarray:
        """Return the mean of the teachers' logits, float32 [rows, classes]."""
        logits = [label(self._teacher(fold), np.arange(rows)) for fold in range(self.count)]
        return np.asarray(np.mean(logits, axis=0, dtype=np.float64).astype(np.float32))

    def _order(self) -> list[int]:
        """Return the folds, that of the teacher in memory first."""
        first = 0 if self._loaded is None else self._loaded[0]
        return [first, *(fold for fold in range(self.count) if fold != first)]

    def _teacher(self, fold: int) -> "Teacher":
        """Return a fold's teacher; of all K the memory holds one."""
        if self._loaded is None or self._loaded[0] != fold:
            self._loaded = None
            teacher = self._finetunings[fold].load()
            teacher.model.to(self._device).eval()
            self._loaded = fold, teacher
        return self._loaded[1]


def describe_cross_fitting(count: int, folds_sha256: str) -> dict[str, Any]:
    """Return what the manifest's ``config`` says of cross-fitted teachers: how many, and what labelled what.

    Args:
        count: how many.
        folds_sha256: ``folds_digest`` of the training rows' folds.
    """
    return {
        "count": count,
        "folds_sha256": folds_sha256,
        "train": "by the teacher fine-tuned without the row's fold",
        "copies": "by the teacher fine-tuned without the copied row's fold",
        "others": "by the teacher fine-tuned on all training rows",
    }


def fingerprint_of_all(of_all_rows: str, sources: Sequence[TeacherSource]) -> str:
    """Return the fingerprint of a teacher, whose own is given, and of the cross-fitted ones together."""
    fingerprints = [of_all_rows, *(source.fingerprint for source in sources)]
    return hashlib.sha256(canonical_json(fingerprints).encode()).hexdigest()
