"""Scores for classes that are ratings, where to miss by one star is better than to miss by four."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

# "4", "4.0", "-2", "4 stars", "4-star", "4★", "4/5", "4 out of 5", "★★★★", "rating 4"
_RATING = re.compile(
    r"(?:rating|stars?|score|grade)?\s*:?\s*(?P<number>[-+−]?\d+(?:\.\d+)?)"
    r"(?:\s*(?:/|out of)\s*\d+(?:\.\d+)?)?\s*-?\s*(?:stars?|★|⭐|points?)?",
    re.IGNORECASE,
)
_SYMBOLS = re.compile("(★+|⭐+)☆*")
_LEAST_CLASSES = 3


@dataclasses.dataclass(frozen=True)
class RatingScores:
    """How far a model's ratings are from the true ones.

    Attributes:
        mae: mean absolute error, in the ratings' own unit.
        quadratic_kappa: Cohen's kappa with quadratic weights: 1 is perfect, 0 what chance gives; None where it is
            undefined, every true and predicted rating being the same.
        off_by_one: share of rows whose predicted class is the true one or a neighbour of it.
    """

    mae: float
    quadratic_kappa: float | None
    off_by_one: float


def ratings_of(label_names: Sequence[str]) -> np.ndarray | None:
    """Return the classes' ratings, float64 [classes], if their names look like ratings; otherwise None.

    They do if there are at least three and each is a number, alone or with a word such as "stars" ("4", "4 stars",
    "4/5", "★★★★"), all different and evenly spaced. Any order serves: class 0 may be the best. Names that are mere
    numbers count, so classes that were numbered without being ordered should have names.
    """
    numbers = [_number(name) for name in label_names]
    if len(numbers) < _LEAST_CLASSES or any(number is None for number in numbers):
        return None
    ratings = np.array(numbers, dtype=np.float64)
    steps = np.diff(np.sort(ratings))
    return ratings if steps[0] > 0 and np.allclose(steps, steps[0]) else None


def _number(name: str) -> float | None:
    text = name.strip()
    if symbols := _SYMBOLS.fullmatch(text):
        return float(len(symbols[1]))
    found = _RATING.fullmatch(text)
    return float(found["number"].replace("−", "-")) if found else None


def rating_scores(labels: np.ndarray, predictions: np.ndarray, ratings: np.ndarray) -> RatingScores:
    """Return the rating scores of a model.

    Args:
        labels: int [n], the true classes; n is at least 1.
        predictions: int [n], the predicted classes.
        ratings: float64 [classes], each class's rating (``ratings_of``).

    Raises:
        ValueError: no rows, or arrays of different lengths.

    References:
        Cohen 1968, "Weighted kappa: nominal scale agreement with provision for scaled disagreement or partial credit".
    """
    from sklearn.metrics import cohen_kappa_score, mean_absolute_error

    if len(labels) == 0:
        raise ValueError("expected at least one row to score, got none")
    ranks = np.argsort(np.argsort(ratings))
    true, predicted = ranks[labels], ranks[predictions]
    kappa = None
    if len(np.union1d(true, predicted)) > 1:
        kappa = float(cohen_kappa_score(true, predicted, labels=np.arange(len(ratings)), weights="quadratic"))
    return RatingScores(
        mae=float(mean_absolute_error(ratings[labels], ratings[predictions])),
        quadratic_kappa=kappa,
        off_by_one=float((np.abs(true - predicted) <= 1).mean()),
    )
