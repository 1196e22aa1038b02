"""What recipes are made of: a student's architecture and training, unless the user says otherwise.

``notebook`` is what the PyTorch notebook does. ``best`` is the best that was found on a validation split
(docs/results.md); it is the command line's default. Each student's own file has its recipes.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

NOTEBOOK: Final = "notebook"
BEST: Final = "best"
RECIPE_NAMES: Final = (BEST, NOTEBOOK)
DEFAULT_RECIPE: Final = BEST


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What one student is and how it is trained.

    Attributes:
        student: fields of its ``StudentConfig``.
        train: fields of ``TrainConfig``, for training on labels and for distillation alike.
        distilled: further fields of ``TrainConfig``, where it learns from the teacher.
        least_steps: the fewest steps on the training split, and as many on a transfer set: where the epochs and passes
            above are fewer, there are more of them (``training.length``). 0: they stand.
    """

    student: Mapping[str, Any]
    train: Mapping[str, Any]
    distilled: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    least_steps: int = 0

    def training(self, *, distil: bool) -> dict[str, Any]:
        """Return the fields of ``TrainConfig``."""
        return {**self.train, **(self.distilled if distil else {})}


ADAM: Final = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 32, "epochs": 5}
SGD: Final = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 1, "epochs": 5}
BIGRAMS: Final = {"ngrams": 2, "buckets": 131_072}
CONVOLUTIONS: Final = {"embedding_dim": 128, "filter_heights": (1, 2, 3), "dropout": 0.1}

# Common to the best recipe of every student. The loss is Hinton's at temperature 1; the labels help the linear student.
BEST_TRAINING: Final = {
    "embeddings": "teacher",
    "epochs": 8,
    "shuffle": True,
    "schedule": "cosine",
    "loss_mean": "examples",
}
BEST_ADAM: Final = {**ADAM, **BEST_TRAINING, "learning_rate": 2e-3}
BEST_DISTILLED: Final = {"soft_loss": "kl", "transfer": True, "transfer_passes": 2}
# The fewest steps, measured on 300 to 10,000 rows with and without a transfer set (docs/results.md, ``scripts/sizes``).
ADAM_STEPS: Final = 1_000
SGD_STEPS: Final = 300_000
