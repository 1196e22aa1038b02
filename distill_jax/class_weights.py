"""Weights of classes that are rarer than they matter: as the option gives them, and what comes of them.

NumPy comes when labels are there: command lines check the option without it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from distill_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np

BALANCED = "balanced"
EXPECTED = f"--class-weights: expected {BALANCED}, or weights more than 0 as NAME=3,NAME=0.5"
_ONE = re.compile(r"(.+?)=([^=,]*)(?:,|$)", re.DOTALL)  # a class's name may hold commas


def named_weights(text: str) -> dict[str, float]:
    """Return the weights that ``NAME=3,NAME=0.5`` gives to classes; none for ``balanced`` and the empty text.

    Raises:
        InputError: the text is neither, a class stands there twice, or a weight is not more than 0.
    """
    weights: dict[str, float] = {}
    place = 0
    while text not in ("", BALANCED) and place < len(text):
        found = _ONE.match(text, place)
        if found is None:
            raise InputError(f"{EXPECTED}, got {text!r}")
        name, weight = found[1].strip(), _number(found[2])
        if name in weights or not 0 < weight < math.inf:
            fault = f"{name!r} twice" if name in weights else f"{found[2]!r} for {name!r}"
            raise InputError(f"{EXPECTED}, got {fault}")
        weights[name] = weight
        place = found.end()
    return weights


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def class_weights(wanted: str, labels: "np.ndarray", label_names: Sequence[str]) -> "np.ndarray":
    """Return each class's weight, float64 [classes].

    ``balanced`` gives a class n / (classes · its rows), as scikit-learn does: the rows of every class then weigh the
    same in all, and a row weighs 1 in the mean. Classes that are not named, or have no row, weigh 1.

    Args:
        wanted: ``balanced``, or ``NAME=3,…``.
        labels: int [n], the rows' classes; -1 = unlabelled, which does not count.
        label_names: the classes.

    Raises:
        InputError: ``wanted`` cannot be read, or names a class that is not there.
    """
    import numpy as np

    weights = np.ones(len(label_names))
    if wanted == BALANCED:
        counts = np.bincount(labels[labels >= 0], minlength=len(label_names))
        there = counts > 0
        weights[there] = counts.sum() / (there.sum() * counts[there])
        return weights
    for name, weight in _of_classes(named_weights(wanted), label_names).items():
        weights[name] = weight
    return weights


def _of_classes(weights: Mapping[str, float], label_names: Sequence[str]) -> dict[int, float]:
    unknown = next((name for name in weights if name not in label_names), None)
    if unknown is not None:
        known = ", ".join(label_names[:20]) + (", …" if len(label_names) > 20 else "")
        raise InputError(f"--class-weights: expected the names of classes ({known}), got {unknown!r}")
    return {list(label_names).index(name): weight for name, weight in weights.items()}
