"""Several labels a text as a user gives them: a matrix of 0 and 1 or lists of names; what is neither is refused."""

import dataclasses
from collections.abc import Collection
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.repeats import first_repeated
from distill_jax.training.column_names import column_names, named_columns

_SETS = (list, tuple, set, frozenset, np.ndarray)


@dataclasses.dataclass(frozen=True)
class LabelSets:
    """Each text's labels.

    Attributes:
        classes: the labels in their order, [labels]: their names, or their places in the matrix that was given.
        matrix: 0 or 1, int8 [n, labels].
        are_named: whether lists of names were given.
    """

    classes: np.ndarray
    matrix: np.ndarray
    are_named: bool


def label_sets(y: Any, rows: int) -> LabelSets | None:
    """Return several labels a text; None where ``y`` has another form, one label a text.

    Args:
        y: a matrix of 0 and 1 [n, labels]: an array, a table, whose columns are then the labels' names, a sparse
            matrix or lists of numbers; or lists of names, one for each text, empty where it has none of them.
        rows: how many texts there are.

    Raises:
        InputError: there are more or fewer, an entry is neither 0 nor 1 or no list of names, or no text has a label.
    """
    names = column_names(y)
    given = y.toarray() if hasattr(y, "toarray") else y
    if _is_matrix(given):
        values = np.asarray(given)
        if values.shape[1] == 1:
            return None
        classes = np.arange(values.shape[1]) if names is None else np.asarray(names)
        _require_distinct(classes)
        found = LabelSets(classes, _zeros_and_ones(values, rows), are_named=False)
    elif _first_set(given) is not None:
        found = _of_names(list(given), rows)
    else:
        return None
    if not found.matrix.any():
        raise InputError("y: expected labels for some of the texts, got none for any")
    return found


def sets_of_names(y: Any, classes: np.ndarray, rows: int) -> list[set[str]]:
    """Return each text's labels by their names, to compare with those of a student.

    Args:
        y: as for ``label_sets``; a table's columns are known by their names, a matrix' by the classes' order.
        classes: the student's labels, in order.
        rows: how many texts there are.

    Raises:
        InputError: as ``label_sets``; or the labels are not the student's.
    """
    names, columns = [str(name) for name in classes.tolist()], named_columns(y, classes.tolist(), "y")
    given = np.column_stack(columns) if columns is not None else y.toarray() if hasattr(y, "toarray") else y
    if _is_matrix(given):
        matrix = _zeros_and_ones(np.asarray(given), rows)
        if matrix.shape[1] != len(names):
            raise InputError(f"y: expected a column for each of the labels {names}, got {matrix.shape[1]}")
        return [{names[place] for place in np.flatnonzero(row)} for row in matrix]
    _require_rows(len(given), rows)
    for row, labels in enumerate(given):
        _require_names(row, labels)
    found = [set(map(str, labels)) for labels in given]
    said = set().union(*found)
    if said and not said & set(names):
        raise InputError(f"y: expected labels of {names}, got others alone: {sorted(said)[:5]}")
    return found


def _is_matrix(y: Any) -> bool:
    """Whether labels are a table of numbers: an array of two dimensions, or lists of numbers of one length."""
    if hasattr(y, "__array__"):
        return np.ndim(y) == 2
    first = _first_set(y)
    if not isinstance(first, list | tuple | np.ndarray) or not len(first) or isinstance(first[0], str):
        return False
    lengths = {len(row) for row in y if isinstance(row, _SETS)}
    return lengths == {len(first)} and len(first) > 1


def _first_set(y: Any) -> Any:
    """Return the first text's labels where they are a list; None where ``y`` is no list of such."""
    if isinstance(y, str | bytes | dict | set) or not hasattr(y, "__len__") or not len(y):
        return None
    if hasattr(y, "__array__") and np.ndim(y) != 1:
        return None
    first = next(iter(y))
    return first if isinstance(first, _SETS) else None


def _zeros_and_ones(values: np.ndarray, rows: int) -> np.ndarray:
    _require_rows(len(values), rows)
    right = np.isin(values, (0, 1)) if values.dtype.kind in "biuf" else np.zeros(values.shape, bool)
    for row, label in np.argwhere(~right)[:1]:
        raise InputError(f"y[{row}]: expected 0 or 1 for each label of the text, got {values[row, label]!r}")
    return values.astype(np.int8)


def _of_names(texts: list[Any], rows: int) -> LabelSets:
    _require_rows(len(texts), rows)
    for row, labels in enumerate(texts):
        _require_names(row, labels)
    classes = sorted({str(label) for labels in texts for label in labels})
    places = {name: place for place, name in enumerate(classes)}
    matrix = np.zeros((len(texts), len(classes)), np.int8)
    for row, labels in enumerate(texts):
        matrix[row, [places[label] for label in labels]] = 1
    return LabelSets(np.array(classes, object), matrix, are_named=True)


def _require_names(row: int, labels: Any) -> None:
    if not isinstance(labels, _SETS):
        what = repr(labels) if isinstance(labels, str | int | float | None) else f"a value of type {type(labels)}"
        raise InputError(
            f"y[{row}]: expected a list of labels, as the first text has, got {what}; an empty list is a text with none"
        )
    _require_strings(row, labels)


def _require_strings(row: int, labels: Collection[Any]) -> None:
    wrong = next((label for label in labels if not isinstance(label, str)), None)
    if wrong is not None or None in list(labels):
        raise InputError(f"y[{row}]: expected names of labels, strings, got {wrong!r}")


def _require_distinct(classes: np.ndarray) -> None:
    twice = first_repeated(map(str, classes.tolist()))
    if twice is not None:
        raise InputError(f"y: expected a column for each label, got several columns of the name {twice!r}")


def _require_rows(found: int, rows: int) -> None:
    if found != rows:
        raise InputError(f"y: expected labels for each of {rows} texts, got {found}")
