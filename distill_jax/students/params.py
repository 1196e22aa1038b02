"""A student's parameters: a nested dict of arrays, or the same by dotted names."""

from collections.abc import Mapping
from typing import Any

Params = dict[str, Any]


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
    """Return parameters as ``flat_params`` was given them."""
    params: Params = {}
    for name, value in flat.items():
        *layers, leaf = name.split(".")
        inner = params
        for layer in layers:
            inner = inner.setdefault(layer, {})
        inner[leaf] = value
    return params
