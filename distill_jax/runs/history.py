"""The history of a training: the notebook's table, a row an epoch."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd


NUMBER_COLUMNS = ("epoch", "train_loss", "train_acc", "train_f1_macro", "test_loss", "test_acc", "test_f1_macro")
VALIDATION_COLUMNS = ("validation_loss", "validation_acc", "validation_f1_macro")
COLUMNS = (*NUMBER_COLUMNS, "model")


def history_frame(rows: np.ndarray, model: str) -> "pd.DataFrame":
    """Return the notebook's table from numbers and the model's name.

    Args:
        rows: float64 [epochs, 7]; or [epochs, 10] with a validation split's loss, accuracy and macro F1, which stand
            after ``model``.
        model: the name in the column ``model``.
    """
    import pandas as pd

    rows = np.asarray(rows, np.float64)
    rows = rows if rows.ndim == 2 else rows.reshape(0, len(NUMBER_COLUMNS))
    columns = [*NUMBER_COLUMNS, *VALIDATION_COLUMNS][: rows.shape[1]]
    frame = pd.DataFrame(rows, columns=columns).astype({"epoch": int})
    frame.insert(len(NUMBER_COLUMNS), "model", model)
    return frame


def write_history(path: Path, frame: "pd.DataFrame") -> None:
    """Write ``history.csv`` atomically, with every digit."""
    text = io.StringIO()
    frame.to_csv(text, index=False, lineterminator="\n")
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
