"""The history of a training: the notebook's table, a row an epoch."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd

NUMBER_COLUMNS = ("epoch", "train_loss", "train_acc", "train_f1_macro", "test_loss", "test_acc", "test_f1_macro")
COLUMNS = (*NUMBER_COLUMNS, "model")


def history_frame(rows: np.ndarray, model: str) -> "pd.DataFrame":
    """Return the notebook's table from numbers, float64 [epochs, 7], and the model's name."""
    import pandas as pd

    frame = pd.DataFrame(np.asarray(rows, np.float64).reshape(-1, len(NUMBER_COLUMNS)), columns=list(NUMBER_COLUMNS))
    return frame.astype({"epoch": int}).assign(model=model)


def write_history(path: Path, frame: "pd.DataFrame") -> None:
    """Write ``history.csv`` atomically, with every digit."""
    text = io.StringIO()
    frame.to_csv(text, index=False, lineterminator="\n")
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())
