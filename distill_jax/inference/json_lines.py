"""Predictions as lines of JSON, letter for letter as ``json.dumps`` writes them, several times as fast."""

import json
from collections.abc import Callable

import numpy as np

DIGITS = 6


class JsonLines:
    """Writes ``{"label": …, "probabilities": {…}}`` for each row of probabilities.

    Args:
        label_names: the classes, in class order.
        ensure_ascii: write other characters of their names as escapes.
    """

    def __init__(self, label_names: tuple[str, ...], *, ensure_ascii: bool = False) -> None:
        names = [json.dumps(name, ensure_ascii=ensure_ascii).replace("%", "%%") for name in label_names]
        probabilities = ", ".join(f"{name}: %s" for name in names)
        # One of them for all classes: a thousand long names a thousand times would be a gigabyte.
        self._template = f"{probabilities}}}}}\n"
        self._beginnings = [f'{{"label": {name.replace("%%", "%")}, "probabilities": {{' for name in names]

    def format(self, probabilities: np.ndarray) -> str:
        """Return a line for each row of probabilities, float64 [texts, classes], finite, each ended by a line feed."""
        numbers = map(repr, rounded(probabilities).ravel().tolist())
        rows = zip(*[numbers] * probabilities.shape[1], strict=True)
        best = probabilities.argmax(axis=1).tolist()
        template, beginnings = self._template, self._beginnings
        return "".join([beginnings[index] + template % row for index, row in zip(best, rows, strict=True)])


class ClassLines:
    """Writes the class and the probabilities of each row of logits (``JsonLines``).

    Args:
        label_names: the classes, in class order.
        probabilities: from logits, [texts, classes], to what is written of them.
        ensure_ascii: write other characters of their names as escapes.
    """

    def __init__(
        self, label_names: tuple[str, ...], probabilities: Callable[[np.ndarray], np.ndarray], *, ensure_ascii: bool
    ) -> None:
        self._lines = JsonLines(label_names, ensure_ascii=ensure_ascii)
        self._probabilities = probabilities

    def format(self, logits: np.ndarray) -> str:
        """Return a line for each row of logits, [texts, classes]."""
        return self._lines.format(self._probabilities(logits))


class ScoreLines:
    """Writes ``{"score": …}`` for each row."""

    def format(self, logits: np.ndarray) -> str:
        """Return a line for each row of logits, [texts, 1]: the number with as many digits as float32 has."""
        return "".join(f'{{"score": {float(format(value, ".7g"))!r}}}\n' for value in logits[:, 0].tolist())


class LabelsLines:
    """Writes ``{"labels": […], "probabilities": {…}}`` for each row.

    Args:
        label_names: the labels, in their order.
        answers: from logits, [texts, labels], to 0 or 1 for each.
        probabilities: from logits to what is written of them.
        ensure_ascii: write other characters of their names as escapes.
    """

    def __init__(
        self,
        label_names: tuple[str, ...],
        answers: Callable[[np.ndarray], np.ndarray],
        probabilities: Callable[[np.ndarray], np.ndarray],
        *,
        ensure_ascii: bool,
    ) -> None:
        self._names, self._answers, self._probabilities = label_names, answers, probabilities
        self._ascii = ensure_ascii

    def format(self, logits: np.ndarray) -> str:
        """Return a line for each row of logits, [texts, labels]."""
        return "".join(map(self._line, self._answers(logits), rounded(self._probabilities(logits)).tolist()))

    def _line(self, answers: np.ndarray, shares: list[float]) -> str:
        named = [name for name, answer in zip(self._names, answers.tolist(), strict=True) if answer]
        found = {"labels": named, "probabilities": dict(zip(self._names, shares, strict=True))}
        return json.dumps(found, ensure_ascii=self._ascii) + "\n"


def rounded(values: np.ndarray) -> np.ndarray:
    """Return ``round(value, 6)`` of each value from 0 to 1, bit for bit.

    Python rounds the number's exact decimal expansion. Scaling by a power of ten errs by an ulp, which matters only
    next to a tie; those few are left to Python. A quotient of whole numbers is the nearest double, as Python's is.
    """
    scaled = values * 10.0**DIGITS
    whole = np.rint(scaled)
    result = whole / 10.0**DIGITS
    near_ties = np.abs(np.abs(scaled - whole) - 0.5) < 1e-6
    if near_ties.any():
        result[near_ties] = [round(value, DIGITS) for value in values[near_ties].tolist()]
    return result
