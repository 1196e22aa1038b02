"""A student's parameters to and from the notebook's torch state dict, both as NumPy arrays; torch is not needed.

Torch's names and layouts: ``conv0.weight`` [filters, 1, height, dim] and ``fc.weight`` [classes, features] where this
project has ``conv0.kernel`` [height, dim, filters] and ``fc.kernel`` [features, classes]. The BiLSTM is not the
notebook's; its torch model is an ``Embedding``, a bidirectional ``LSTM`` ``lstm``, and the layers ``dense`` and ``fc``.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from distill_jax.config import StudentName
from distill_jax.errors import InputError
from distill_jax.students import Params

State = dict[str, np.ndarray]

_NAMES = ("cnn", "fasttext", "bilstm")  # those that torch has layers for
_NOTEBOOK_HEIGHTS = 3
# torch's names of an LSTM's arrays in torch's order, and ours.
_LSTM = {
    f"lstm.{kind}_l0{suffix}": f"{direction}.{own}"
    for suffix, direction in (("", "forward"), ("_reverse", "backward"))
    for kind, own in (
        ("weight_ih", "input_kernel"),
        ("weight_hh", "state_kernel"),
        ("bias_ih", "input_bias"),
        ("bias_hh", "state_bias"),
    )
}


def params_from_torch(name: StudentName, state: Mapping[str, Any]) -> Params:
    """Return a student's parameters, a nested dict of new NumPy arrays, from its torch state dict.

    Args:
        name: ``cnn``, ``fasttext`` or ``bilstm``.
        state: torch name → array of the shape that torch has. Floating-point types are kept.

    Returns:
        What ``Student.logits`` and ``fit`` take.

    Raises:
        InputError: names are missing or unexpected, a shape does not fit the others, or an array holds no
            floating-point numbers.

    Example:
        >>> state = {"embeddings.weight": np.zeros((9, 4)), "output.weight": np.ones((5, 4)), "output.bias": np.ones(5)}
        >>> params_from_torch("fasttext", state)["output"]["kernel"].shape
        (4, 5)
    """
    where = f"{name} state dict"
    if not isinstance(state, Mapping):
        raise InputError(f"{where}: expected a mapping of names to arrays, got {type(state).__name__}")
    arrays = {key: np.asarray(value).copy() for key, value in state.items()}
    heights = _heights(arrays, "fc.weight", 1) if _require_name(name) == "cnn" else 0
    _require_names(arrays, _torch_names(name, heights), where)
    _require_floats(arrays, where)
    _require_torch_shapes(arrays, name, heights, where)
    params: Params = {}
    for key in _torch_names(name, heights):
        layer, _, kind = _own_name(key).partition(".")
        if kind:
            params.setdefault(layer, {})[kind] = _from_torch_layout(key, arrays[key])
        else:
            params[layer] = arrays[key]
    return params


def params_to_torch(name: StudentName, params: Params) -> State:
    """Return a student's torch state dict (new NumPy arrays): the inverse of ``params_from_torch``, bit for bit.

    Args:
        name: ``cnn``, ``fasttext`` or ``bilstm``.
        params: the student's parameters, NumPy or JAX arrays.

    Raises:
        InputError: as ``params_from_torch`` does, of ``params``.
    """
    where = f"{name} parameters"
    if not isinstance(params, Mapping):
        raise InputError(f"{where}: expected a nested mapping of names to arrays, got {type(params).__name__}")
    arrays = _flatten(params)
    heights = _heights(arrays, "fc.kernel", 0) if _require_name(name) == "cnn" else 0
    _require_names(arrays, [_own_name(key) for key in _torch_names(name, heights)], where)
    _require_floats(arrays, where)
    dimensions = {key: array.ndim for key, array in arrays.items()}
    wrong = [key for key, count in dimensions.items() if count != _dimensions(key)]
    if wrong:
        key = wrong[0]
        raise InputError(f"{where}: {key}: expected {_dimensions(key)} dimensions, got {list(arrays[key].shape)}")
    state = {key: _to_torch_layout(key, arrays[_own_name(key)]) for key in _torch_names(name, heights)}
    _require_torch_shapes(state, name, heights, where)
    return state


def student_of_state(state: Mapping[str, Any]) -> StudentName:
    """Return which student a torch state dict belongs to, by the names of its embedding table and its layers.

    Raises:
        InputError: it has no student's table.
    """
    if "embeddings.weight" in state:
        return "fasttext"
    if "embedding.weight" in state:
        return "bilstm" if any(str(key).startswith("lstm.") for key in state) else "cnn"
    raise InputError(
        "state dict: expected embedding.weight (cnn, bilstm) or embeddings.weight (fasttext), "
        f"got {_listed(map(str, state)) or 'nothing'}"
    )


def _require_name(name: str) -> str:
    if name not in _NAMES:
        raise InputError(f"student: expected one of {', '.join(_NAMES)}, which have torch layouts, got {name!r}")
    return name


def _torch_names(name: str, heights: int) -> list[str]:
    """Return a student's torch names in torch's order."""
    if name == "fasttext":
        return ["embeddings.weight", "output.weight", "output.bias"]
    if name == "bilstm":
        return ["embedding.weight", *_LSTM, "dense.weight", "dense.bias", "fc.weight", "fc.bias"]
    convolutions = [f"conv{index}.{kind}" for index in range(heights) for kind in ("weight", "bias")]
    return ["embedding.weight", *convolutions, "fc.weight", "fc.bias"]


def _own_name(torch_name: str) -> str:
    if torch_name in _LSTM:
        return _LSTM[torch_name]
    layer, kind = torch_name.split(".")
    if layer in ("embedding", "embeddings"):
        return layer
    return f"{layer}.kernel" if kind == "weight" else torch_name


def _dimensions(own_name: str) -> int:
    layer, _, kind = own_name.partition(".")
    if kind.endswith("bias"):
        return 1
    return 3 if layer.startswith("conv") else 2


def _heights(arrays: State, head: str, axis: int) -> int:
    """Return how many filter heights a CNN has: as many as its names show and as its last layer has room for."""
    seen = [index + 1 for index in range(len(arrays)) if any(key.startswith(f"conv{index}.") for key in arrays)]
    room = 0
    if head in arrays and arrays[head].ndim == 2 and "conv0.bias" in arrays and arrays["conv0.bias"].size:
        room = arrays[head].shape[axis] // arrays["conv0.bias"].size
    return max([*seen, min(room, _NOTEBOOK_HEIGHTS)]) or _NOTEBOOK_HEIGHTS


def _require_names(arrays: State, expected: list[str], where: str) -> None:
    missing = [key for key in expected if key not in arrays]
    unexpected = [key for key in arrays if key not in expected]
    faults = []
    if missing:
        faults.append(f"missing {_listed(missing)}")
    if unexpected:
        faults.append(f"unexpected {_listed(map(str, unexpected))}")
    if faults:
        raise InputError(f"{where}: {'; '.join(faults)}; expected {_listed(expected)}")


def _listed(names: Any) -> str:
    return ", ".join(names)


def _require_floats(arrays: State, where: str) -> None:
    for key, array in arrays.items():
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise InputError(f"{where}: {key}: expected floating-point numbers, got {array.dtype}")


def _require_torch_shapes(state: State, name: str, heights: int, where: str) -> None:
    """Raise ``InputError`` for the first array, in torch's layout, whose shape does not fit the others."""
    table, head = ("embeddings", "output") if name == "fasttext" else ("embedding", "fc")
    _require_shape(state, f"{table}.weight", [None, None], "[vocabulary, dim]", where)
    dim = features = state[f"{table}.weight"].shape[1]
    if name == "cnn":
        filters = state["conv0.bias"].size
        for index in range(heights):
            weight = f"conv{index}.weight"
            _require_shape(state, weight, [filters, 1, None, dim], f"[{filters}, 1, height, {dim}]", where)
            _require_shape(state, f"conv{index}.bias", [filters], f"[{filters}]", where)
        features = filters * heights
    if name == "bilstm":
        features = _require_lstm_shapes(state, dim, where)
    _require_shape(state, f"{head}.weight", [None, features], f"[classes, {features}]", where)
    classes = state[f"{head}.weight"].shape[0]
    _require_shape(state, f"{head}.bias", [classes], f"[{classes}]", where)


def _require_lstm_shapes(state: State, dim: int, where: str) -> int:
    """Raise ``InputError`` where a shape of the LSTM or the layer after it does not fit; return that layer's units."""
    key = "lstm.weight_hh_l0"
    _require_shape(state, key, [None, None], "[4 · hidden, hidden]", where)
    hidden = state[key].shape[1]
    gates = 4 * hidden
    for torch_name, own_name in _LSTM.items():
        expected = [gates] if own_name.endswith("bias") else [gates, dim if "input" in own_name else hidden]
        _require_shape(state, torch_name, list(expected), str(expected), where)
    _require_shape(state, "dense.weight", [None, 2 * hidden], f"[units, {2 * hidden}]", where)
    units = state["dense.weight"].shape[0]
    _require_shape(state, "dense.bias", [units], f"[{units}]", where)
    return units


def _require_shape(state: State, key: str, expected: list[int | None], shown: str, where: str) -> None:
    shape = state[key].shape
    fits = len(shape) == len(expected) and all(
        size == want or (want is None and size > 0) for size, want in zip(shape, expected, strict=True)
    )
    if not fits:
        raise InputError(f"{where}: {key}: expected {shown} in torch's layout, got {list(shape)}")


def _from_torch_layout(torch_name: str, array: np.ndarray) -> np.ndarray:
    layer, kind = torch_name.split(".")
    if kind.startswith("weight"):
        array = array[:, 0].transpose(1, 2, 0) if layer.startswith("conv") else array.T
    return np.ascontiguousarray(array)


def _to_torch_layout(torch_name: str, array: np.ndarray) -> np.ndarray:
    layer, kind = torch_name.split(".")
    if kind.startswith("weight") and not layer.startswith("embedding"):
        array = array.transpose(2, 0, 1)[:, None] if layer.startswith("conv") else array.T
    return np.array(array, order="C")


def _flatten(params: Mapping[str, Any]) -> State:
    """Return parameters by dotted name; a mapping is a layer, anything else an array."""
    flat: State = {}
    for layer, value in params.items():
        if isinstance(value, Mapping):
            flat.update({f"{layer}.{kind}": np.asarray(array) for kind, array in value.items()})
        else:
            flat[str(layer)] = np.asarray(value)
    return flat
