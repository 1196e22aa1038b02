"""How long a teacher is fine-tuned, on which rows, and which rows say when it is enough. No torch."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.class_weights import class_weights
from distill_jax.errors import InputError
from teacher_export.config import ExportConfig

if TYPE_CHECKING:
    from teacher_export.data.dataset import Dataset, Split

VALIDATION = "validation split"
HELD_OUT = "rows held out of the training split"
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
    train, validation = labelled(dataset.splits["train"]), dataset.splits.get("validation")
    if validation is not None and len(labelled(validation)):
        rows, judged_by = len(train), VALIDATION
    else:
        rows, judged_by = int((~held_out(train.labels, config.data.seed)).sum()), HELD_OUT
    if rows == len(train) and judged_by == HELD_OUT:  # too few to hold any out
        return {"epochs": most_epochs(rows, config.teacher.batch_size, usual)}
    return {"epochs": most_epochs(rows, config.teacher.batch_size, usual), "chosen_by": judged_by}


def most_epochs(rows: int, batch_size: int, usual: int) -> int:
    """Return how many epochs there are at most: the usual number, or on few rows those that make enough steps."""
    steps = math.ceil(max(1, rows) / batch_size)
    return max(usual, min(MOST_EPOCHS, math.ceil(MIN_STEPS / steps)))


def held_out(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return which training rows choose the epoch instead, bool [n]: a tenth of each class, 2,000 in all at most.

    A class of five rows or more has one there at least.

    Args:
        labels: int [n], the rows' classes.
        seed: draws them.
    """
    share = min(HELD_OUT_SHARE, MOST_HELD_OUT / max(1, len(labels)))
    rng = np.random.default_rng([seed, len(labels)])
    chosen = np.zeros(len(labels), bool)
    for class_ in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == class_))
        count = max(1, round(share * len(rows))) if len(rows) >= MIN_SHARED_ROWS else 0
        chosen[rows[:count]] = True
    return chosen


def labelled(split: "Split") -> "Split":
    """Return a split's labelled rows."""
    return split.take(np.flatnonzero(split.labels >= 0))


def training_and_judging(
    split: "Split", validation: "Split | None", settings: dict[str, Any]
) -> tuple["Split", "Split | None"]:
    """Return the labelled rows to train on, and those that choose the epoch, where any do.

    Raises:
        InputError: there is no labelled row.
    """
    train = labelled(split)
    if not len(train):
        raise InputError("fine-tuning: expected labelled rows in the training split, got none")
    match settings.get("chosen_by"):
        case "validation split":
            assert validation is not None  # the settings were made of it
            return train, labelled(validation)
        case None:
            return train, None
    chosen = held_out(train.labels, settings["seed"])
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def loss_weights(train: "Split", wanted: str, label_names: Sequence[str]) -> np.ndarray | None:
    """Return what each training row's loss is multiplied by, float32 [n]; None where every row counts as one.

    Args:
        train: the rows, all labelled. Of their own weights the ratios count: the mean of all is 1.
        wanted: ``--class-weights``; empty = none.
        label_names: the classes.

    Raises:
        InputError: as ``class_weights``, or every row's own weight is 0.
    """
    if train.weights is None and not wanted:
        return None
    weights = np.ones(len(train)) if train.weights is None else train.weights.astype(np.float64)
    if not weights.any():
        raise InputError("--weight-column: expected a weight above 0 among the rows trained on, got 0 alone")
    weights = weights / weights.mean()
    if wanted:
        weights = weights * class_weights(wanted, train.labels, label_names)[train.labels]
    return weights.astype(np.float32)


def described_length(settings: dict[str, Any]) -> str:
    """Return words for how many epochs there are."""
    if "chosen_by" not in settings:
        return f"{settings['epochs']} epochs"
    return f"at most {settings['epochs']} epochs, the best by the {settings['chosen_by']} kept"
