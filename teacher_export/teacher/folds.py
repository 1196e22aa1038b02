"""Which of the cross-fitted teachers has not seen a row: the training rows' folds. No torch."""

import dataclasses
import hashlib
import heapq
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.errors import InputError
from teacher_export.teacher.finetune_tasks import finetune_task
from teacher_export.transfer.near_copies import near_copy_groups

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset


def with_folds(dataset: "Dataset", count: int, seed: int) -> "Dataset":
    """Return a data set whose training rows have a fold each, 0 … ``count``-1.

    Equal texts and near copies (``near_copy_groups``) have one fold. Folds differ by a row in size where groups allow
    it, and have each class's rows in like shares.

    Args:
        dataset: the data.
        count: of folds.
        seed: draws them.

    Raises:
        InputError: a fold would have no labelled row, so that its teacher would be the one of all rows.
    """
    train, task = dataset.splits["train"], dataset.task
    labelled = task.is_labelled(train.labels)
    strata = np.full(len(train), -1, np.int64)
    strata[labelled] = finetune_task({"task": task.name}).strata(train.labels[labelled])
    groups = near_copy_groups(train.texts)
    folds = _dealt(groups, strata, count, np.random.default_rng([seed, count]))
    found = np.bincount(folds[labelled], minlength=count)
    if not found.all():
        raise InputError(
            f"--teacher-folds {count}: expected labelled training rows in every fold, got {int(found.sum()):,} in "
            f"{len(np.unique(groups[labelled])):,} groups of near copies; give fewer folds or more rows"
        )
    return dataclasses.replace(dataset, splits={**dataset.splits, "train": dataclasses.replace(train, folds=folds)})


def without_fold(dataset: "Dataset", fold: int) -> "Dataset":
    """Return a data set without the training rows of a fold; its fingerprint stays that of all rows."""
    train = dataset.splits["train"]
    assert train.folds is not None
    kept = train.take(np.flatnonzero(train.folds != fold))
    return dataclasses.replace(dataset, splits={**dataset.splits, "train": kept})


def folds_digest(folds: np.ndarray) -> str:
    """Return the SHA-256 of rows' folds, in hexadecimal."""
    return hashlib.sha256(folds.astype("<i4").tobytes()).hexdigest()


def _dealt(groups: np.ndarray, strata: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return each row's fold, int32 [n]: the largest groups first, then stratum by stratum, each to the smallest fold.

    Args:
        groups: int [n]; rows of one group stay together.
        strata: int [n]; a group is of its first row's.
        count: of folds.
        rng: draws the order within a stratum.
    """
    numbers, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    order = np.lexsort((rng.permutation(len(numbers)), strata[first], -sizes))
    of_group = np.zeros(len(numbers), np.int32)
    heap = [(0, fold) for fold in range(count)]
    for group in order.tolist():
        rows, fold = heapq.heappop(heap)
        of_group[group] = fold
        heapq.heappush(heap, (rows + int(sizes[group]), fold))
    return np.asarray(of_group[np.searchsorted(numbers, groups)])
