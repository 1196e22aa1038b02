"""A student's parameters: a nested dict of arrays, or the same by dotted names."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Params = dict[Any, Any]


def flat_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the arrays of nested parameters by dotted name, such as ``output.kernel``."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flat_params(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def nested_params(flat: Mapping[str, Any]) -> Params:
    """Return parameters as ``flat_params`` was given them.

    The members of a list of layers are named by numbers. As strings they would stand in another order, "10" before "2",
    and be taken for one another.
    """
    params: Params = {}
    for name, value in flat.items():
        *layers, leaf = (int(part) if part.isdecimal() else part for part in name.split("."))
        inner = params
        for layer in layers:
            inner = inner.setdefault(layer, {})
        inner[leaf] = value
    return params


def parameter_count(params: Mapping[str, Any]) -> int:
    """Return the number of numbers among the parameters, which may be shapes without arrays."""
    return sum(math.prod(np.shape(leaf)) for leaf in flat_params(params).values())
