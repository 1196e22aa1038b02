"""What each training row's loss is multiplied by."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from distill_jax.class_weights import class_weights
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.errors import InputError

_Rows = TypeVar("_Rows", Examples, StoredExamples)


def weighted(train: _Rows, wanted: str, label_names: Sequence[str]) -> _Rows:
    """Return training rows that weigh what their class does, times what they weigh already.

    Unlabelled rows keep their weight, which is 1 where none is given.

    Raises:
        InputError: as ``class_weights``, or a row has not one class.
    """
    if not wanted:
        return train
    if train.labels.ndim != 1 or train.labels.dtype.kind not in "iu":
        raise InputError("--class-weights goes with rows of one class each, and these have none; leave it out")
    of_classes = class_weights(wanted, train.labels, label_names)
    weights = np.where(train.labels >= 0, of_classes[np.maximum(train.labels, 0)], 1)
    if train.weights is not None:
        weights = weights * train.weights
    return dataclasses.replace(train, weights=weights.astype(np.float32))
