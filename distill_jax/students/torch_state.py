"""A student's parameters to and from a torch state dict, both as NumPy arrays; torch is not needed.

Torch's names and layouts: ``conv0.weight`` [filters, 1, height, dim] and ``fc.weight`` [classes, features] where this
project has ``conv0.kernel`` [height, dim, filters] and ``fc.kernel`` [features, classes]. Each student with a torch
model has a ``TorchLayout``.
"""

import abc
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.students.params import Params, flat_params, nested_params
from distill_jax.students.registry import student_kind, student_names

State = dict[str, np.ndarray]

_NOTEBOOK_HEIGHTS = 3


class TorchLayout(abc.ABC):
    """What a student's arrays are called in torch, and how their shapes hang together."""

    table = "embedding"
    head = "fc"

    @abc.abstractmethod
    def recognises(self, names: Iterable[str]) -> bool:
        """Return whether a state dict with such names is one of this student."""

    @abc.abstractmethod
    def own_names(self, arrays: State) -> dict[str, str]:
        """Return torch's name of each array, in torch's order → ours, dotted; ``arrays`` have either's names."""

    @abc.abstractmethod
    def require_features(self, state: State, dim: int, where: str) -> int:
        """Check what stands between the table of width ``dim`` and the last layer; return that layer's inputs.

        Raises:
            InputError: a shape does not fit the others.
        """

    @abc.abstractmethod
    def options(self, state: State) -> dict[str, Any]:
        """Return the student's options that a whole state dict shows."""

    def require_shapes(self, state: State, where: str) -> None:
        """Raise ``InputError`` for the first array, in torch's layout, whose shape does not fit the others."""
        _require_shape(state, f"{self.table}.weight", [None, None], "[vocabulary, dim]", where)
        features = self.require_features(state, state[f"{self.table}.weight"].shape[1], where)
        _require_shape(state, f"{self.head}.weight", [None, features], f"[classes, {features}]", where)
        classes = state[f"{self.head}.weight"].shape[0]
        _require_shape(state, f"{self.head}.bias", [classes], f"[{classes}]", where)

    def from_torch(self, state: Mapping[str, Any], where: str = "state dict") -> Params:
        """Return a student's parameters, a nested dict of new NumPy arrays, from its torch state dict.

        Args:
            state: torch name → array of the shape that torch has. Floating-point types are kept.
            where: what an error calls it.

        Raises:
            InputError: names are missing or unexpected, a shape does not fit the others, or an array holds no
                floating-point numbers.
        """
        arrays = {key: np.asarray(value).copy() for key, value in _mapping(state, where).items()}
        names = self.own_names(arrays)
        _require_names(arrays, names, where)
        _require_floats(arrays, where)
        self.require_shapes(arrays, where)
        return nested_params({own: _from_torch(own, arrays[key]) for key, own in names.items()})

    def to_torch(self, params: Params, where: str = "parameters") -> State:
        """Return a student's torch state dict (new NumPy arrays): the inverse of ``from_torch``, bit for bit.

        Raises:
            InputError: as ``from_torch`` does, of ``params``.
        """
        arrays = {
            name: np.asarray(array) for name, array in flat_params(_mapping(params, where, "nested mapping")).items()
        }
        names = self.own_names(arrays)
        _require_names(arrays, names.values(), where)
        _require_floats(arrays, where)
        for key, array in arrays.items():
            if array.ndim != _dimensions(key):
                raise InputError(f"{where}: {key}: expected {_dimensions(key)} dimensions, got {list(array.shape)}")
        state = {key: _to_torch(own, arrays[own]) for key, own in names.items()}
        self.require_shapes(state, where)
        return state


class FastTextLayout(TorchLayout):
    """The notebook's linear model: ``embeddings`` and ``output``."""

    table, head = "embeddings", "output"

    def recognises(self, names: Iterable[str]) -> bool:
        """Return whether the table is called ``embeddings``."""
        return "embeddings.weight" in names

    def own_names(self, arrays: State) -> dict[str, str]:
        """Return torch's name of each array → ours."""
        del arrays
        return {"embeddings.weight": "embeddings", **_linear("output")}

    def require_features(self, state: State, dim: int, where: str) -> int:
        """Return the width of the mean of embeddings."""
        del state, where
        return dim

    def options(self, state: State) -> dict[str, Any]:
        """Return nothing: the table's width is all."""
        del state
        return {}


class CnnLayout(TorchLayout):
    """The notebook's CNN: ``embedding``, ``conv0`` … and ``fc``."""

    def recognises(self, names: Iterable[str]) -> bool:
        """Return whether there is an ``embedding`` and no LSTM."""
        return "embedding.weight" in names and not any(name.startswith("lstm.") for name in names)

    def own_names(self, arrays: State) -> dict[str, str]:
        """Return torch's name of each array → ours: of as many heights as names show or the last layer has room for."""
        seen = [index + 1 for index in range(len(arrays)) if any(key.startswith(f"conv{index}.") for key in arrays)]
        room, bias = 0, arrays.get("conv0.bias", np.zeros(0))
        for head, axis in (("fc.weight", 1), ("fc.kernel", 0)):
            if head in arrays and arrays[head].ndim == 2 and bias.size:
                room = arrays[head].shape[axis] // bias.size
        heights = max([*seen, min(room, _NOTEBOOK_HEIGHTS)]) or _NOTEBOOK_HEIGHTS
        names = {"embedding.weight": "embedding"}
        for layer in (*(f"conv{index}" for index in range(heights)), "fc"):
            names |= _linear(layer)
        return names

    def require_features(self, state: State, dim: int, where: str) -> int:
        """Check the convolutions; return how many filters there are in all."""
        filters = state["conv0.bias"].size
        heights = _heights(state)
        for index in range(heights):
            shown = f"[{filters}, 1, height, {dim}]"
            _require_shape(state, f"conv{index}.weight", [filters, 1, None, dim], shown, where)
            _require_shape(state, f"conv{index}.bias", [filters], f"[{filters}]", where)
        return filters * heights

    def options(self, state: State) -> dict[str, Any]:
        """Return the filters' heights and number."""
        heights = tuple(state[f"conv{index}.weight"].shape[2] for index in range(_heights(state)))
        return {"filter_heights": heights, "filters": len(state["conv0.bias"])}


def _heights(state: State) -> int:
    return sum(key.startswith("conv") and key.endswith(".weight") for key in state)


class BiLstmLayout(TorchLayout):
    """An ``Embedding``, a bidirectional ``LSTM`` named ``lstm``, and the linear layers ``dense`` and ``fc``."""

    def recognises(self, names: Iterable[str]) -> bool:
        """Return whether there are an ``embedding`` and an LSTM."""
        return "embedding.weight" in names and any(name.startswith("lstm.") for name in names)

    def own_names(self, arrays: State) -> dict[str, str]:
        """Return torch's name of each array → ours."""
        del arrays
        return {"embedding.weight": "embedding", **_LSTM, **_linear("dense"), **_linear("fc")}

    def require_features(self, state: State, dim: int, where: str) -> int:
        """Check the LSTM and the layer after it; return that layer's units."""
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

    def options(self, state: State) -> dict[str, Any]:
        """Return the units of the LSTM and of the layer after it."""
        return {"hidden": state["lstm.weight_hh_l0"].shape[1], "dense": len(state["dense.bias"])}


def _linear(layer: str) -> dict[str, str]:
    return {f"{layer}.weight": f"{layer}.kernel", f"{layer}.bias": f"{layer}.bias"}


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


def params_from_torch(name: str, state: Mapping[str, Any]) -> Params:
    """Return a student's parameters from its torch state dict (``TorchLayout.from_torch``).

    Args:
        name: the student's: ``cnn``, ``fasttext`` or ``bilstm``.
        state: torch name → array of the shape that torch has.

    Raises:
        InputError: the student has no torch layout, or the state dict is not one of it.

    Example:
        >>> state = {"embeddings.weight": np.zeros((9, 4)), "output.weight": np.ones((5, 4)), "output.bias": np.ones(5)}
        >>> params_from_torch("fasttext", state)["output"]["kernel"].shape
        (4, 5)
    """
    return layout_of(name).from_torch(state, f"{name} state dict")


def params_to_torch(name: str, params: Params) -> State:
    """Return a student's torch state dict: the inverse of ``params_from_torch``, bit for bit; raises the same."""
    return layout_of(name).to_torch(params, f"{name} parameters")


def layout_of(name: str) -> TorchLayout:
    """Return a student's torch layout.

    Raises:
        InputError: it has none.
    """
    layouts = _layouts()
    if name not in layouts:
        raise InputError(f"student: expected one of {', '.join(layouts)}, which have torch layouts, got {name!r}")
    return layouts[name]


def student_of_state(state: Mapping[str, Any]) -> str:
    """Return which student a torch state dict belongs to, by the names of its embedding table and its layers.

    Raises:
        InputError: it has no student's table.
    """
    names = [str(name) for name in state]
    for student, layout in _layouts().items():
        if layout.recognises(names):
            return student
    raise InputError(
        "state dict: expected embedding.weight (cnn, bilstm) or embeddings.weight (fasttext), "
        f"got {', '.join(names) or 'nothing'}"
    )


def _layouts() -> dict[str, TorchLayout]:
    found = {name: student_kind(name).torch_layout() for name in student_names()}
    return {name: layout for name, layout in found.items() if layout is not None}


def _mapping(value: Any, where: str, kind: str = "mapping") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{where}: expected a {kind} of names to arrays, got {type(value).__name__}")
    return value


def _dimensions(own_name: str) -> int:
    layer, _, kind = own_name.partition(".")
    if kind.endswith("bias"):
        return 1
    return 3 if layer.startswith("conv") else 2


def _require_names(arrays: State, expected: Iterable[str], where: str) -> None:
    wanted = list(expected)
    missing = [key for key in wanted if key not in arrays]
    unexpected = [key for key in arrays if key not in wanted]
    faults = [
        f"{word} {', '.join(map(str, names))}"
        for word, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    if faults:
        raise InputError(f"{where}: {'; '.join(faults)}; expected {', '.join(wanted)}")


def _require_floats(arrays: State, where: str) -> None:
    for key, array in arrays.items():
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise InputError(f"{where}: {key}: expected floating-point numbers, got {array.dtype}")


def _require_shape(state: State, key: str, expected: list[int | None], shown: str, where: str) -> None:
    shape = state[key].shape
    fits = len(shape) == len(expected) and all(
        size == want or (want is None and size > 0) for size, want in zip(shape, expected, strict=True)
    )
    if not fits:
        raise InputError(f"{where}: {key}: expected {shown} in torch's layout, got {list(shape)}")


def _from_torch(own_name: str, array: np.ndarray) -> np.ndarray:
    layer, _, kind = own_name.partition(".")
    if kind.endswith("kernel"):
        array = array[:, 0].transpose(1, 2, 0) if layer.startswith("conv") else array.T
    return np.ascontiguousarray(array)


def _to_torch(own_name: str, array: np.ndarray) -> np.ndarray:
    layer, _, kind = own_name.partition(".")
    if kind.endswith("kernel"):
        array = array.transpose(2, 0, 1)[:, None] if layer.startswith("conv") else array.T
    return np.array(array, order="C")
