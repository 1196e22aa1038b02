"""What a finished training's history says against it."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from distill_jax.data.examples import Examples
from distill_jax.losses import Objective
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

STILL_LEARNS = "the training ended in the midst of learning: its loss fell steeply up to the last epochs"
_EPOCHS = 4  # in fewer, the second half is one epoch, and always a large part
_STEEP = 0.25  # of all that was learnt, the part that the second half of the epochs brought
_LITTLE = 0.5  # of what the loss of the best constant could fall by
_ROWS = 2000  # that the constant is sought on


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


def still_learns(
    history: "pd.DataFrame", objective: Objective, train: Examples, rows: np.ndarray, num_labels: int
) -> bool:
    """Whether a training stopped in the midst of learning: more epochs would bring much more.

    The last step says little, for a schedule may have brought the rate to 0. So two things are asked, both measured
    from the training loss of one answer for all rows, the best there is. Less than half of that loss has gone, and a
    quarter of what has gone went in the second half of the epochs. A student that has learnt what it can has lost more;
    one that finds nothing in its rows loses little in the end.

    Args:
        history: a row an epoch.
        objective: what was minimised.
        train: the rows trained on.
        rows: the numbers of those that an epoch took.
        num_labels: classes.
    """
    losses = history["train_loss"].to_numpy(float)
    if len(losses) < _EPOCHS:
        return False
    middle, last = losses[(len(losses) - 1) // 2], losses[-1]
    if middle - last <= _STEEP * (losses[0] - last):  # of less than the whole: no constant need be sought
        return False
    some = rows[np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).astype(int)]
    teacher_logits = None if train.teacher_logits is None else train.teacher_logits[some]
    known = constant_loss(objective, train.labels[some], teacher_logits, num_labels)
    return bool(known - last < _LITTLE * known and middle - last > _STEEP * (known - last))


def constant_loss(
    objective: Objective, labels: np.ndarray, teacher_logits: np.ndarray | None, num_labels: int
) -> float:
    """Return the mean loss of the same logits for every row, those that make it least.

    Args:
        objective: the loss of an example.
        labels: the task's, [n].
        teacher_logits: [n, classes]; None where the objective does not look at them.
        num_labels: classes.
    """
    from scipy.optimize import minimize  # a tenth of a second that the first steps do not wait for

    shape = len(labels), num_labels
    teacher = np.zeros(shape, np.float32) if teacher_logits is None else teacher_logits

    @jax.jit
    def loss(constant: Array) -> Array:
        outputs = objective.task.outputs(jnp.broadcast_to(constant, shape))
        return objective(outputs, labels, teacher).mean()

    gradient = jax.jit(jax.grad(loss))
    found = minimize(
        lambda constant: float(loss(jnp.asarray(constant, jnp.float32))),
        np.zeros(num_labels),
        jac=lambda constant: np.asarray(gradient(jnp.asarray(constant, jnp.float32)), np.float64),
        method="L-BFGS-B",
    )
    return float(found.fun)
