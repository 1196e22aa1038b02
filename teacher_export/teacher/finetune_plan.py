"""How long a teacher is fine-tuned, on which rows, and which rows say when it is enough. No torch."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.tasks.task import Task
from teacher_export.config import ExportConfig
from teacher_export.teacher.finetune_tasks import FinetuneTask, finetune_task

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset, Split

VALIDATION = "validation split"
HELD_OUT = "rows held out of the training split"
# What ``finetune_selection.py`` keeps; another rule makes another teacher of the same options.
KEPT = "the lowest loss within a standard error of the highest score"
# Few rows take more epochs: as many as make so many steps, and at most the 20 of Mosbach et al. 2021 for small sets.
MIN_STEPS = 1000
MOST_EPOCHS = 20
HELD_OUT_SHARE = 0.1
MOST_HELD_OUT = 2000
# A class of fewer rows has all of them trained on.
MIN_SHARED_ROWS = 5


def length_settings(config: ExportConfig, dataset: "Dataset") -> dict[str, Any]:
    """Return how many epochs there are at most, and by which rows one of them is chosen.

    ``--finetune-epochs`` and the demo's recipe are exact numbers, of which the last epoch is kept.
    """
    demo = config.is_demo_teacher
    usual = config.finetune.epochs(demo=demo)
    if config.finetune.finetune_epochs is not None or (demo and config.data.dataset == "demo"):
        return {"epochs": usual}
    objective = finetune_task({"task": dataset.task.name})
    train, validation = labelled(dataset.splits["train"], objective.task), dataset.splits.get("validation")
    if validation is not None and len(labelled(validation, objective.task)):
        rows, judged_by = len(train), VALIDATION
    else:
        rows, judged_by = int((~held_out(objective.strata(train.labels), config.data.seed)).sum()), HELD_OUT
    epochs = most_epochs(rows, config.teacher.batch_size, usual)
    if rows == len(train) and judged_by == HELD_OUT:  # too few to hold any out
        return {"epochs": epochs}
    return {"epochs": epochs, "chosen_by": judged_by, "kept": KEPT}


def most_epochs(rows: int, batch_size: int, usual: int) -> int:
    """Return how many epochs there are at most: the usual number, or on few rows those that make enough steps."""
    steps = math.ceil(max(1, rows) / batch_size)
    return max(usual, min(MOST_EPOCHS, math.ceil(MIN_STEPS / steps)))


def held_out(strata: np.ndarray, seed: int) -> np.ndarray:
    """Return which training rows choose the epoch instead, bool [n]: a tenth of each stratum, 2,000 in all at most.

    A stratum of five rows or more has one there at least.

    Args:
        strata: int [n], the rows' classes, or what the task has in their place.
        seed: draws them.
    """
    share = min(HELD_OUT_SHARE, MOST_HELD_OUT / max(1, len(strata)))
    rng = np.random.default_rng([seed, len(strata)])
    chosen = np.zeros(len(strata), bool)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        count = max(1, round(share * len(rows))) if len(rows) >= MIN_SHARED_ROWS else 0
        chosen[rows[:count]] = True
    return chosen


def labelled(split: "Split", task: Task) -> "Split":
    """Return a split's labelled rows."""
    return split.take(np.flatnonzero(task.is_labelled(split.labels)))


def training_and_judging(
    split: "Split", validation: "Split | None", settings: dict[str, Any]
) -> tuple["Split", "Split | None"]:
    """Return the labelled rows to train on, and those that choose the epoch, where any do.

    Raises:
        InputError: there is no labelled row.
    """
    objective = finetune_task(settings)
    train = labelled(split, objective.task)
    if not len(train):
        raise InputError("fine-tuning: expected labelled rows in the training split, got none")
    match settings.get("chosen_by"):
        case "validation split":
            assert validation is not None  # the settings were made of it
            return train, labelled(validation, objective.task)
        case None:
            return train, None
    chosen = held_out(objective.strata(train.labels), settings["seed"])
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def loss_weights(train: "Split", wanted: str, objective: FinetuneTask, label_names: Sequence[str]) -> np.ndarray | None:
    """Return what each training row's loss is multiplied by, float32 [n]; None where every row counts as one.

    Args:
        train: the rows, all labelled. Of their own weights the ratios count: the mean of all is 1.
        wanted: ``--class-weights``; empty = none.
        objective: what the rows are labelled with.
        label_names: the classes.

    Raises:
        InputError: as ``FinetuneTask.class_weights``, or every row's own weight is 0.
    """
    if train.weights is None and not wanted:
        return None
    weights = np.ones(len(train)) if train.weights is None else train.weights.astype(np.float64)
    if not weights.any():
        raise InputError("--weight-column: expected a weight above 0 among the rows trained on, got 0 alone")
    weights = weights / weights.mean()
    if wanted:
        weights = weights * objective.class_weights(wanted, train.labels, label_names)
    return weights.astype(np.float32)


def described_length(settings: dict[str, Any]) -> str:
    """Return words for how many epochs there are."""
    if "chosen_by" not in settings:
        return f"{settings['epochs']} epochs"
    return f"at most {settings['epochs']} epochs, the best by the {settings['chosen_by']} kept"
