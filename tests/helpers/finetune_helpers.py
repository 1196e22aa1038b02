"""What the tests of fine-tuning share: its settings, how a teacher is loaded, and a process's end."""

import torch

from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.source import folder_source
from tiny_teacher import LABEL_NAMES

CPU = torch.device("cpu")
LENGTH, SEED = 32, 3
_SETTINGS = {
    "teacher": "t",
    "data": "d",
    "learning_rate": 5e-3,
    "batch_size": 8,
    "max_length": LENGTH,
    "seed": SEED,
    "precision": "float32",
}


class Killed(BaseException):
    """Stands for a process's end: no handler of ours may catch it."""


def settings_of(label_names=LABEL_NAMES, **changes):
    """Return what decides a fine-tuned teacher's weights."""
    return {**_SETTINGS, "label_names": list(label_names), **changes}


def load(folder, label_names=LABEL_NAMES, task="single-label"):
    """Load a teacher's folder; one without a head gets one for these classes."""
    return load_teacher(folder_source(folder, "tiny"), label_names, LENGTH, seed=SEED, task=task)
