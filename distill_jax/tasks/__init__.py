"""What rows are labelled with, one file a task: its losses, how logits become an answer, its scores.

The names stand here, for command lines that import nothing.
"""

from typing import Literal

SINGLE_LABEL_NAME = "single-label"
SoftLoss = Literal["mse", "kl"]
