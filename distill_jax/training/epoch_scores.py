"""An epoch's numbers, and by which of them the epoch is chosen whose parameters are kept."""

import jax.numpy as jnp
import numpy as np

from distill_jax.config import LossMean, TrainConfig
from distill_jax.losses import Objective
from distill_jax.metrics.classification import NOTEBOOK_EVAL_BATCH, mean_of_batch_means
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task


def validation_loss(
    objective: Objective, logits: np.ndarray, labels: np.ndarray, teacher_logits: np.ndarray | None
) -> float:
    """Return the training's own loss on the validation rows, the mean over those that it learns from.

    Under an objective of the labels alone those are the labelled rows. Under any other they are all rows: the teacher's
    logits are there for unlabelled ones too, whose term of the labels is 0, as in training.

    Args:
        objective: the loss of an example.
        logits: [n, classes].
        labels: the task's, [n]; at least one is labelled where the objective is of the labels alone.
        teacher_logits: [n, classes]; None where the objective does not look at them.
    """
    teacher = logits if teacher_logits is None else teacher_logits
    losses = np.asarray(objective(jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(teacher)))
    return float((losses[objective.task.is_labelled(labels)] if objective.alpha == 1 else losses).mean())


def best_epoch(history: np.ndarray, config: TrainConfig, task: Task = SINGLE_LABEL) -> int:
    """Return the epoch to keep, the first of equals, from the finished epochs' numbers [epochs, 10].

    An epoch without a finite score is never the best; where none has one, as of rows of one and the same score, it is
    the last.

    A distilled student's is the one of the lowest validation loss: against the teacher's whole distribution over the
    classes, a thousand rows tell epochs apart whose accuracies differ by chance. Trained on labels, it is the one of
    the highest score that its task is selected by, as macro F1: cross-entropy on labels rises, with growing confidence,
    while accuracy still improves.
    """
    columns = (*task.history_columns, *task.validation_columns)
    if config.distil:
        costs = history[:, columns.index("validation_loss")]
    else:
        costs = -history[:, columns.index(f"validation_{task.selected_by}")]
    known = np.isfinite(costs)
    return int(np.argmin(np.where(known, costs, np.inf))) if known.any() else len(costs) - 1


def train_scores(
    task: Task, losses: np.ndarray, predictions: np.ndarray, labels: np.ndarray, batch_size: int, loss_mean: LossMean
) -> list[float]:
    """Return the loss and the task's two scores of an epoch's training steps; these are NaN where no row is labelled.

    Args:
        task: what the rows are labelled with.
        losses: the steps' mean losses, [steps].
        predictions: the answers given during the epoch, [n].
        labels: in the same order, [n]; an unlabelled row counts in the loss alone.
        batch_size: rows a step; the last step may have fewer.
        loss_mean: average the steps, or the rows.
    """
    losses = losses.astype(np.float64)
    if loss_mean == "batches":
        loss = float(losses.mean())
    else:
        counts = np.minimum(batch_size, len(labels) - batch_size * np.arange(len(losses)))
        loss = float((losses * counts).sum() / len(labels))
    return [loss, *_scores(task, labels, predictions)]


def evaluation_scores(task: Task, logits: np.ndarray, labels: np.ndarray, loss_mean: LossMean) -> list[float]:
    """Return loss and the task's two scores of logits [n, classes], over the labelled rows; NaN without one."""
    labelled = task.is_labelled(labels)
    if not labelled.any():
        return [float("nan")] * 3
    losses = task.losses(logits[labelled], labels[labelled])
    loss = mean_of_batch_means(losses, NOTEBOOK_EVAL_BATCH) if loss_mean == "batches" else float(losses.mean())
    return [loss, *_scores(task, labels, task.answers(logits))]


def _scores(task: Task, labels: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
    known = task.is_labelled(labels)
    return task.scores(labels[known], predictions[known]) if known.any() else (float("nan"), float("nan"))
