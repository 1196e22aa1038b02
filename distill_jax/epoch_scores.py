"""An epoch's row of the history: what training and evaluation gave, as the notebook's columns and two more."""

import numpy as np

from distill_jax.config import LossMean
from distill_jax.metrics.classification import (
    NOTEBOOK_EVAL_BATCH,
    accuracy,
    cross_entropies,
    macro_f1,
    mean_of_batch_means,
)


def train_scores(
    losses: np.ndarray, predictions: np.ndarray, labels: np.ndarray, batch_size: int, loss_mean: LossMean
) -> list[float]:
    """Return loss, accuracy and macro F1 of an epoch's training steps; accuracies are NaN where no row is labelled.

    Args:
        losses: the steps' mean losses, [steps].
        predictions: the classes predicted during the epoch, int [n].
        labels: the classes, int [n], in the same order; −1 = unlabelled, which counts in the loss alone.
        batch_size: rows a step; the last step may have fewer.
        loss_mean: average the steps, or the rows.
    """
    losses = losses.astype(np.float64)
    if loss_mean == "batches":
        loss = float(losses.mean())
    else:
        counts = np.minimum(batch_size, len(labels) - batch_size * np.arange(len(losses)))
        loss = float((losses * counts).sum() / len(labels))
    return [loss, *_accuracies(labels, predictions)]


def evaluation_scores(logits: np.ndarray, labels: np.ndarray, loss_mean: LossMean) -> list[float]:
    """Return cross-entropy, accuracy and macro F1 of logits [n, classes], over the labelled rows."""
    labelled = labels >= 0
    losses = cross_entropies(logits[labelled], labels[labelled])
    loss = mean_of_batch_means(losses, NOTEBOOK_EVAL_BATCH) if loss_mean == "batches" else float(losses.mean())
    return [loss, *_accuracies(labels, logits.argmax(axis=1))]


def _accuracies(labels: np.ndarray, predictions: np.ndarray) -> list[float]:
    known = labels >= 0
    if not known.any():
        return [float("nan"), float("nan")]
    return [accuracy(labels[known], predictions[known]), macro_f1(labels[known], predictions[known])]
