"""What a finished training's history says against it."""

from typing import TYPE_CHECKING

import numpy as np

from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def is_at_chance(history: "pd.DataFrame", labels: np.ndarray, task: Task = SINGLE_LABEL) -> bool:
    """Whether a training stopped before it learnt anything.

    That is where the last epoch's training score is that of chance (``Task.is_at_chance``), while the training loss
    still falls.

    Args:
        history: a row an epoch.
        labels: of the rows trained on; an unlabelled one does not count.
        task: what they are.
    """
    losses = history["train_loss"].to_numpy(float)
    if len(losses) < 2 or not losses[-1] < losses[-2]:
        return False
    return task.is_at_chance(float(history[f"train_{task.history_scores[0]}"].iloc[-1]), labels)
