"""Which epoch's parameters are kept, where there is a validation split to choose by."""

import jax.numpy as jnp
import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.losses import Objective
from distill_jax.runs.history import NUMBER_COLUMNS, VALIDATION_COLUMNS

_COLUMNS = (*NUMBER_COLUMNS, *VALIDATION_COLUMNS)


def validation_loss(
    objective: Objective, logits: np.ndarray, labels: np.ndarray, teacher_logits: np.ndarray | None
) -> float:
    """Return the training's own loss on the validation rows, their mean.

    Args:
        objective: the loss of an example.
        logits: [n, classes].
        labels: int [n], −1 = unlabelled.
        teacher_logits: [n, classes]; None where the objective does not look at them.
    """
    teacher = logits if teacher_logits is None else teacher_logits
    return float(np.asarray(objective(jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(teacher))).mean())


def best_epoch(history: np.ndarray, config: TrainConfig) -> int:
    """Return the epoch to keep, the first of equals, from the finished epochs' numbers [epochs, 10].

    A distilled student's is the one of the lowest validation loss: against the teacher's whole distribution over the
    classes, a thousand rows tell epochs apart whose accuracies differ by chance. Trained on labels, it is the one of
    the highest macro F1: cross-entropy on labels rises, with growing confidence, while accuracy still improves.
    """
    if config.distil:
        return int(np.argmin(history[:, _COLUMNS.index("validation_loss")]))
    return int(np.argmax(history[:, _COLUMNS.index("validation_f1_macro")]))
