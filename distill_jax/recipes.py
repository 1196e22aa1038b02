"""The recipes: each student's architecture and training, unless the user says otherwise.

``notebook`` is what the PyTorch notebook does. ``best`` is the best that was found on a validation split
(docs/results.md); it is the command line's default.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

DEFAULT_RECIPE = "best"


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
_TEACHER_TABLE = {"embeddings": "teacher", "shuffle": True, "schedule": "cosine", "loss_mean": "examples"}
_HINTON = {"soft_loss": "kl", "temperature": 2.0, "transfer": True}

RECIPES: dict[str, dict[str, Recipe]] = {
    "notebook": {
        "cnn": Recipe({}, _ADAM),
        "fasttext": Recipe(
            {}, {"optimizer": "sgd", "learning_rate": 0.5, "learning_rate_decay": 0.5, "batch_size": 1, "epochs": 5}
        ),
        # The notebook has neither of these; they take what its CNN has.
        "bilstm": Recipe({}, _ADAM),
        "ensemble": Recipe({"pooling": "masked", "ngrams": 2, "buckets": 131_072}, _ADAM),
    },
    "best": {
        "cnn": Recipe(
            {"embedding_dim": 100, "pooling": "masked"},
            {**_ADAM, **_TEACHER_TABLE, "epochs": 6},
            _HINTON,
        ),
        "fasttext": Recipe(
            {"embedding_dim": 100, "pooling": "masked", "ngrams": 2, "buckets": 131_072},
            {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": 1, **_TEACHER_TABLE, "epochs": 10},
            _HINTON,
        ),
        "bilstm": Recipe(
            {"embedding_dim": 100, "pooling": "masked"}, {**_ADAM, **_TEACHER_TABLE, "epochs": 4}, _HINTON
        ),
        "ensemble": Recipe(
            {"embedding_dim": 100, "pooling": "masked", "ngrams": 2, "buckets": 131_072},
            {**_ADAM, **_TEACHER_TABLE, "epochs": 6},
            _HINTON,
        ),
    },
}
