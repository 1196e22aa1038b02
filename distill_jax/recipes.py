"""The recipes: each student's architecture and training, unless the user says otherwise.

``notebook`` is what the PyTorch notebook does. ``best`` is the best that was found on a validation split
(docs/results.md); it is the command line's default.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

DEFAULT_RECIPE: Final = "best"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What one student is and how it is trained.

    Attributes:
        student: fields of ``StudentConfig``.
        train: fields of ``TrainConfig``, for training on labels and for distillation alike.
        distilled: further fields of ``TrainConfig``, where it learns from the teacher.
    """

    student: Mapping[str, Any]
    train: Mapping[str, Any]
    distilled: Mapping[str, Any] = dataclasses.field(default_factory=dict)


_ADAM = {"optimizer": "adam", "learning_rate": 1e-3, "learning_rate_decay": 1.0, "batch_size": 32, "epochs": 5}
_SGD = {"optimizer": "sgd", "learning_rate": 0.5, "learning_rate_decay": 0.5, "batch_size": 1, "epochs": 5}
_BIGRAMS = {"pooling": "masked", "ngrams": 2, "buckets": 131_072}

# Common to the best recipe of every student. The loss is Hinton's at temperature 1; the labels help the linear student.
_BEST = {"embeddings": "teacher", "epochs": 8, "shuffle": True, "schedule": "cosine", "loss_mean": "examples"}
_DISTILLED = {"soft_loss": "kl", "temperature": 1.0, "transfer": True, "transfer_passes": 2}
_BEST_ADAM = {**_ADAM, **_BEST, "learning_rate": 2e-3}
_BEST_CNN = {"embedding_dim": 128, "pooling": "masked", "filter_heights": (1, 2, 3), "dropout": 0.1}

RECIPES: dict[str, dict[str, Recipe]] = {
    "notebook": {
        "cnn": Recipe({}, _ADAM),
        "fasttext": Recipe({}, _SGD),
        # The notebook has neither of these; they take what its CNN has.
        "bilstm": Recipe({}, _ADAM),
        "ensemble": Recipe(_BIGRAMS, _ADAM),
    },
    "best": {
        "cnn": Recipe(_BEST_CNN, _BEST_ADAM, _DISTILLED),
        "fasttext": Recipe(
            {**_BIGRAMS, "embedding_dim": 8, "buckets": 524_288},
            {**_SGD, **_BEST, "learning_rate": 0.2},
            {**_DISTILLED, "transfer_passes": 3, "alpha": 0.3},
        ),
        "bilstm": Recipe(
            {"embedding_dim": 96, "pooling": "masked", "hidden": 96, "dense": 100, "dropout": 0.1},
            {**_BEST_ADAM, "learning_rate": 3.3e-3},
            {**_DISTILLED, "transfer_passes": 1},  # the slowest, and the one that gains most from each text
        ),
        "ensemble": Recipe({**_BEST_CNN, **_BIGRAMS}, _BEST_ADAM, _DISTILLED),
    },
}
