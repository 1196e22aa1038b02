"""What a user could do instead: words and pairs of words, weighted by TF-IDF, and a linear model of scikit-learn."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from distill_jax.tasks.task import Task

_NEVER = -1e6  # the logit of a class that no training row has
_FLOAT_BYTES, _STRENGTH = 4, 1.0
_OF_LABELS, _OF_SCORES = "TF-IDF + logistic regression on labels", "TF-IDF + ridge on labels"
_OF_TEACHER = "TF-IDF + ridge on the teacher's logits"
_OF_TRANSFER = f"{_OF_TEACHER}, transfer set too"
NAMES = (_OF_LABELS, _OF_SCORES, _OF_TEACHER, _OF_TRANSFER)
"""What baselines are called."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A trained baseline.

    Attributes:
        name: what it is.
        words: the vectoriser of texts.
        of_features: from its vectors to logits, float [texts, classes].
        numbers: how many numbers the linear model has.
        rows: how many texts it has learnt from.
    """

    name: str
    words: Any
    of_features: Callable[[Any], np.ndarray]
    numbers: int
    rows: int

    def logits(self, texts: list[str]) -> np.ndarray:
        """Return logits, float64 [texts, classes]."""
        return np.asarray(self.of_features(self.words.transform(texts)), np.float64)

    @property
    def bytes(self) -> int:
        """What its numbers take as float32, and its words as UTF-8, a line each."""
        words = sum(len(word.encode()) + 1 for word in self.words.vocabulary_)
        return _FLOAT_BYTES * (self.numbers + len(self.words.vocabulary_)) + words


def trained_baselines(
    task: "Task",
    texts: list[str],
    labels: np.ndarray,
    teacher_logits: np.ndarray | None,
    num_labels: int,
    transfer: tuple[list[str], np.ndarray] | None = None,
) -> list[Baseline]:
    """Return a baseline of the labels, where there are any, one of the teacher's logits, and one with further texts.

    Further texts help a ridge regression where they are new, and cost it accuracy where they are changed copies of the
    training texts: so both are there.

    Args:
        task: the students'.
        texts: the training texts.
        labels: theirs.
        teacher_logits: float32 [texts, classes]; None = there is no teacher.
        num_labels: classes.
        transfer: further texts, and the teacher's logits of them.
    """
    found, known = [], np.flatnonzero(task.is_labelled(labels))
    features = None
    if len(known):
        features = _features([texts[row] for row in known])
        found.append(_of_labels(features, labels[known], num_labels))
    if teacher_logits is not None:
        if features is None or len(known) < len(texts):
            features = _features(texts)
        found.append(_ridge(_OF_TEACHER, features, teacher_logits))
        if transfer is not None:
            targets = np.concatenate([teacher_logits, transfer[1]])
            found.append(_ridge(_OF_TRANSFER, _features([*texts, *transfer[0]]), targets))
    return [each for each in found if each is not None]


def _features(texts: list[str]) -> tuple[Any, Any]:
    """Return a vectoriser and its vectors of the texts; None and None where no word occurs twice."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    try:
        return words, words.fit_transform(texts)
    except ValueError:
        return None, None


def _of_labels(vectorised: tuple[Any, Any], labels: np.ndarray, num_labels: int) -> Baseline | None:
    if np.issubdtype(labels.dtype, np.floating):
        return _ridge(_OF_SCORES, vectorised, labels.reshape(len(labels), -1))
    words, features = vectorised
    if words is None:
        return None
    sides = labels[:, None] == np.arange(num_labels) if labels.ndim == 1 else labels > 0
    models = [_logistic(features, side) for side in sides.T]

    def logits(vectors: Any) -> np.ndarray:
        return np.stack([model(vectors) for model in models], axis=1)

    return Baseline(_OF_LABELS, words, logits, num_labels * (features.shape[1] + 1), len(labels))


def _logistic(features: Any, side: np.ndarray) -> Callable[[Any], np.ndarray]:
    """Return the log-odds of a class against the rest."""
    from sklearn.linear_model import LogisticRegression

    if side.all() or not side.any():
        constant = _NEVER if not side.any() else -_NEVER
        return lambda vectors: np.full(vectors.shape[0], constant)
    return LogisticRegression(C=_STRENGTH, max_iter=1_000).fit(features, side).decision_function


def _ridge(name: str, vectorised: tuple[Any, Any], targets: np.ndarray) -> Baseline | None:
    from sklearn.linear_model import Ridge

    words, features = vectorised
    if words is None:
        return None
    model = Ridge(alpha=_STRENGTH).fit(features, targets)

    def logits(vectors: Any) -> np.ndarray:
        return model.predict(vectors).reshape(-1, targets.shape[1])

    numbers = targets.shape[1] * (features.shape[1] + 1)
    return Baseline(name, words, logits, numbers, len(targets))
