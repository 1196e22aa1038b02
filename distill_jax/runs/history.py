"""The history of a training: the notebook's table, a row an epoch."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.files import atomic_write
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = (*SINGLE_LABEL.history_columns, "model")
"""The notebook's, of one class a row."""


def history_frame(rows: np.ndarray, model: str, task: Task = SINGLE_LABEL) -> "pd.DataFrame":
    """Return the notebook's table from numbers and the model's name.

    Args:
        rows: float64 [epochs, 7]; or [epochs, 10] with a validation split's loss and two scores, which stand after
            ``model``.
        model: the name in the column ``model``.
        task: names the columns.
    """
    import pandas as pd

    rows = np.asarray(rows, np.float64)
    rows = rows if rows.ndim == 2 else rows.reshape(0, len(task.history_columns))
    columns = [*task.history_columns, *task.validation_columns][: rows.shape[1]]
    frame = pd.DataFrame(rows, columns=columns).astype({"epoch": int})
    frame.insert(len(task.history_columns), "model", model)
    return frame


def write_history(path: Path, frame: "pd.DataFrame") -> None:
    """Write ``history.csv`` atomically, with every digit."""
    text = io.StringIO()
    frame.to_csv(text, index=False, lineterminator="\n")
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
