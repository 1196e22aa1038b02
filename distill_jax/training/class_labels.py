"""Labels as a user gives them: where they enter, what names no class is refused, by its position."""

import contextlib
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from distill_jax.errors import InputError
from distill_jax.training.column_names import named_columns

_EXPECTED = (
    "expected a class for each text: strings, whole numbers or booleans (or a list of labels; numbers to predict are "
    "TextRegressor's)"
)
_KINDS = {bool: "a boolean", np.bool_: "a boolean", str: "a string", int: "a number", float: "a number"}


def class_labels(y: Any, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes in their order, [classes], and each row's place among them, int [rows].

    Args:
        y: a list, a tuple, an array, a Series, …: strings, whole numbers or booleans, of one kind; a single column too.
        rows: how many labels are expected.

    Raises:
        InputError: there are more or fewer, one is missing, they are of several kinds, or are no classes.
    """
    if np.ma.isMaskedArray(y) and np.ma.getmaskarray(y).any():
        raise InputError("y: expected a label for each text, got masked ones; leave out the texts that have none")
    labels = _column(y)
    if len(labels) != rows:
        raise InputError(f"y: expected a label for each of {rows} texts, got {len(labels)}")
    for row in np.flatnonzero(pd.isna(labels))[:1]:
        raise InputError(f"y[{row}]: expected a label, got {labels[row]}; leave out the texts that have none")
    if labels.dtype == object:
        _require_one_kind(labels)
        for row in (row for row, label in enumerate(labels) if isinstance(label, str) and label.endswith("\0")):
            raise InputError(f"y[{row}]: expected a label without a NUL at its end, got {labels[row]!r}")
        labels = np.asarray(labels.tolist())
    if labels.dtype.kind not in "biufUT" or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        found = "infinity" if labels.dtype.kind == "f" else f"an array of {labels.dtype}"
        raise InputError(f"y: {_EXPECTED}, got {found}")
    try:
        check_classification_targets(labels)
    except ValueError as error:
        raise InputError(f"y: {_EXPECTED}, got others ({str(error).splitlines()[0]})") from None
    return np.unique(labels, return_inverse=True)


def in_class_order(logits: Any, classes: np.ndarray) -> np.ndarray | None:
    """Return a teacher's logits as an array whose columns are in the classes' order.

    Args:
        logits: [n, classes], or None; the columns of a data frame (pandas, polars), a table of pyarrow or a structured
            array are known by their names, unless pandas only numbers them.
        classes: the classes in their order.

    Raises:
        InputError: columns are named otherwise than the classes, or hold no numbers.
    """
    if logits is None:
        return None
    if np.ma.isMaskedArray(logits) and np.ma.getmaskarray(logits).any():
        raise InputError(
            "teacher_logits: expected a number for each text and class, got masked ones; leave out the texts"
        )
    columns = named_columns(logits, classes.tolist(), "teacher_logits")
    return _numbers(logits) if columns is None else np.column_stack([_numbers(column) for column in columns])


def _numbers(logits: Any) -> np.ndarray:
    found = np.asarray(logits)
    if found.dtype == object:
        with contextlib.suppress(TypeError, ValueError):
            found = found.astype(np.float64)  # numbers of several types
    if found.dtype.kind not in "biuf":
        raise InputError(f"teacher_logits: expected real numbers, got an array of {found.dtype}")
    return found


def _column(y: Any) -> np.ndarray:
    """Return labels as an array of one dimension; those of a list keep their types, which NumPy would make equal."""
    labels = np.asarray(y) if hasattr(y, "__array__") else np.asarray(y, object)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return np.asarray(column_or_1d(labels, warn=True))
    if labels.ndim != 1:
        got = f"an array of shape {list(labels.shape)}" if labels.ndim else f"a value of type {type(y).__name__}"
        raise InputError(f"y: expected a list of labels, one for each text, got {got}")
    return labels


def _require_one_kind(labels: np.ndarray) -> None:
    kinds = [_kind(label) for label in labels]
    other = next((row for row, kind in enumerate(kinds) if kind != kinds[0]), None)
    if other is not None:
        raise InputError(
            f"y[{other}]: expected labels of one kind, {kinds[0]} as the first is, got {kinds[other]}; make all of "
            "them strings"
        )
    if kinds and kinds[0] not in _KINDS.values():
        raise InputError(f"y: {_EXPECTED}, got {kinds[0]}")


def _kind(label: object) -> str:
    kinds = (words for kind, words in _KINDS.items() if isinstance(label, kind))
    if isinstance(label, np.integer | np.floating):
        return _KINDS[int]
    return next(kinds, f"a value of type {type(label).__name__}")
