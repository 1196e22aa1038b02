"""What rows are labelled with, one file a task: its losses, how logits become an answer, its scores.

The names stand here, for command lines that import nothing.
"""

from typing import Literal

TaskName = Literal["single-label", "multi-label", "score"]
SINGLE_LABEL_NAME: TaskName = "single-label"
MULTI_LABEL_NAME: TaskName = "multi-label"
SCORE_NAME: TaskName = "score"
AS_THEY_ARE = (0.0, 1.0)
"""The standardisation of what is not standardised: mean 0, deviation 1."""
Link = Literal["softmax", "sigmoid"]
SoftLoss = Literal["mse", "kl"]
