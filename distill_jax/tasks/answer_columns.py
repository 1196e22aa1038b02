"""Answers as columns of a table, one for each task: what is appended to the rows that were asked about."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from distill_jax.inference.json_lines import rounded

Kind = Literal["text", "texts", "number", "json"]


@dataclasses.dataclass(frozen=True)
class AnswerColumn:
    """A column of answers.

    Attributes:
        name: its name, before what the user puts in front of it.
        kind: what a row has in it; ``texts`` is a list of them, ``json`` any value that JSON has.
    """

    name: str
    kind: Kind


WHY = AnswerColumn("why", "json")


class AnswerColumns(Protocol):
    """What a task answers, column by column."""

    @property
    def columns(self) -> tuple[AnswerColumn, ...]:
        """The columns, in their order."""

    def values(self, logits: np.ndarray) -> list[list[Any]]:
        """Return each column's values for rows of logits, [rows, classes]."""


class ClassColumns:
    """``label`` and ``confidence``, its probability; and, where they are asked for, every class's.

    Args:
        label_names: the classes, in class order.
        probabilities: from logits to each class's, [rows, classes].
        each: whether every class has a column.
    """

    def __init__(
        self, label_names: Sequence[str], probabilities: Callable[[np.ndarray], np.ndarray], *, each: bool
    ) -> None:
        self._names, self._probabilities, self._each = label_names, probabilities, each
        answer = (AnswerColumn("label", "text"), AnswerColumn("confidence", "number"))
        self.columns = (*answer, *(_of_each(label_names) if each else ()))

    def values(self, logits: np.ndarray) -> list[list[Any]]:
        """Return the columns' values."""
        shares = self._probabilities(logits)
        labels = [self._names[index] for index in shares.argmax(axis=1).tolist()]
        shares = rounded(shares)
        return [labels, shares.max(axis=1, initial=0).tolist(), *(shares.T.tolist() if self._each else ())]


class LabelsColumns:
    """``labels``, a list; and, where they are asked for, every label's probability.

    Args:
        label_names: the labels, in their order.
        answers: from logits to 0 or 1 for each, [rows, labels].
        probabilities: from logits to each label's, [rows, labels].
        each: whether every label has a column.
    """

    def __init__(
        self,
        label_names: Sequence[str],
        answers: Callable[[np.ndarray], np.ndarray],
        probabilities: Callable[[np.ndarray], np.ndarray],
        *,
        each: bool,
    ) -> None:
        self._names, self._answers, self._probabilities, self._each = label_names, answers, probabilities, each
        self.columns = (AnswerColumn("labels", "texts"), *(_of_each(label_names) if each else ()))

    def values(self, logits: np.ndarray) -> list[list[Any]]:
        """Return the columns' values."""
        labels = [[self._names[index] for index in np.flatnonzero(row).tolist()] for row in self._answers(logits)]
        return [labels, *(rounded(self._probabilities(logits)).T.tolist() if self._each else ())]


class ScoreColumns:
    """``score``, with as many digits as float32 has."""

    columns = (AnswerColumn("score", "number"),)

    def values(self, logits: np.ndarray) -> list[list[Any]]:
        """Return the column's values."""
        return [[float(format(value, ".7g")) for value in logits[:, 0].tolist()]]


def _of_each(label_names: Sequence[str]) -> tuple[AnswerColumn, ...]:
    return tuple(AnswerColumn(f"probability:{name}", "number") for name in label_names)
