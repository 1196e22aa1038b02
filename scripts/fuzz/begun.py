"""A fine-tuning that has begun: what writes its state, and takes one up."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.trials.inputs import ENCODER

if TYPE_CHECKING:
    from teacher_export.teacher.finetune_run import FinetuneRun

_TEXTS = tuple(f"w{number} w{number // 2}" for number in range(8))
SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "learning_rate": 1e-3,
    "batch_size": 4,
    "max_length": 24,
    "seed": 0,
    "precision": "float32",
    "chosen_by": "validation",
    "teacher": "fuzz",
    "data": "fuzz",
}


def begin(inputs: Path) -> "FinetuneRun":
    """Return a fine-tuning of the corpus's encoder that has made no step."""
    import torch

    from teacher_export.data.dataset import Split
    from teacher_export.teacher.finetune_run import FinetuneRun
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.source import folder_source

    teacher = load_teacher(folder_source(inputs / ENCODER, "encoder"), ("neg", "pos"), SETTINGS["max_length"], 0)
    rows = Split(np.arange(len(_TEXTS)), list(_TEXTS), (np.arange(len(_TEXTS)) % 2).astype(np.int32))
    return FinetuneRun(teacher, rows, rows, SETTINGS, torch.device("cpu"))


def write_begun(inputs: Path, folder: Path) -> None:
    """Write the state after the first epoch of the fine-tuning into ``folder`` beside it."""
    from tqdm import tqdm

    from teacher_export.teacher.finetune_state import write_state

    run = begin(inputs)
    run.train_epoch(tqdm(disable=True))
    write_state(folder, SETTINGS, run.state())
