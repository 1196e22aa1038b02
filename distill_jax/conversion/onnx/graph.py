"""A graph while it is made: nodes whose results are named by themselves, constants, and arrays as they are packed."""

from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.conversion.onnx.kept_rows import KeptRows

if TYPE_CHECKING:
    from distill_jax.packed.coding import Quantised

_INTEGERS = (np.int8, np.int16, np.int32)


class Graph:
    """The nodes and the constants so far. A value is known by its name, a string.

    Quantised numbers stay integers in the file. A runtime multiplies a layer's by their steps once, when it loads the
    model, and a table's row by row, as texts ask for them.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node; return the names of its results."""
        import onnx.helper

        names = [f"{operator}_{len(self.nodes)}_{place}" for place in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), names, **attributes))
        return names

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one result; return its name."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """Add an array, or a number; return its name."""
        import onnx.numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(
            onnx.numpy_helper.from_array(np.ascontiguousarray(value, dtype).reshape(np.shape(value)), name)
        )
        return name

    def named(self, name: str, value: str) -> None:
        """Give a value the name of one of the graph's results."""
        import onnx.helper

        self.nodes.append(onnx.helper.make_node("Identity", [value], [name]))

    def cast(self, value: str, dtype: Any) -> str:
        """Add a conversion to another type of number."""
        import onnx.helper

        return self.add("Cast", value, to=onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def unsqueezed(self, value: str, axis: int) -> str:
        """Add an axis of one."""
        return self.add("Unsqueeze", value, self.constant([axis]))

    def affine(self, value: str, kernel: str, bias: str) -> str:
        """Add a linear layer."""
        return self.add("Add", self.add("MatMul", value, kernel), bias)

    def padded(self, ids: str, columns: int, pad_id: int) -> str:
        """Return ids, [batch, length], with columns of padding behind them."""
        return self.add("Pad", ids, self.constant([0, 0, 0, columns]), self.constant(pad_id))

    def below(self, limits: str, like: str, axis: int) -> str:
        """Return which positions are below each row's limit: bool [batch, extent of ``like`` along ``axis``]."""
        extent = self.add("Gather", self.add("Shape", like), self.constant(axis))
        positions = self.add("Range", self.constant(0), extent, self.constant(1))
        return self.add("Less", positions, self.unsqueezed(limits, 1))

    def real_lengths(self, ids: str, pad_id: int) -> str:
        """Return one more than the position of each row's last token that is not padding, int64 [batch]; 0 = none."""
        extent = self.add("Gather", self.add("Shape", ids), self.constant(1))
        ends = self.add("Range", self.constant(1), self.add("Add", extent, self.constant(1)), self.constant(1))
        found = self.add("Where", self.is_not(ids, pad_id), ends, self.constant(0))
        return self.add("ReduceMax", found, self.constant([1]), keepdims=0)

    def is_not(self, values: str, number: int) -> str:
        """Return where values are not a number."""
        return self.add("Not", self.add("Equal", values, self.constant(number)))

    def weight(self, array: "np.ndarray | Quantised") -> str:
        """Return a layer's parameter, float32, in its own shape."""
        if isinstance(array, np.ndarray):
            return self.constant(array, np.float32)
        steps = np.array(array.steps, np.float32)
        by_row = steps[:1] if array.groups is None else steps[array.groups][:, None]
        numbers = self._multiplied(self._integers(array.integers), self.constant(by_row, np.float32))
        return self.add("Reshape", numbers, self.constant(array.shape))

    def rows(self, table: "np.ndarray | Quantised", ids: str) -> str:
        """Return a table's rows of ids, float32 [*ids, width]; zeros for ids that are not kept."""
        if isinstance(table, np.ndarray):
            return self.add("Gather", self.constant(table, np.float32), ids)
        integers, groups = table.integers, table.groups
        if table.kept is not None:
            ids = KeptRows.of(table.kept).places(self, ids)
            integers = np.concatenate([integers, np.zeros((1, integers.shape[1]), integers.dtype)])
            groups = None if groups is None else np.append(groups, np.uint8(0))
        steps = self.constant(table.steps if groups is not None else table.steps[0], np.float32)
        if groups is not None:
            group = self.add("Gather", self.constant(groups, np.uint8), ids)
            steps = self.unsqueezed(self.add("Gather", steps, self.cast(group, np.int32)), -1)
        return self._multiplied(self.add("Gather", self._integers(integers), ids), steps)

    def _integers(self, integers: np.ndarray) -> str:
        reach = int(np.abs(integers.astype(np.int64)).max(initial=0))
        return self.constant(integers, next(kind for kind in _INTEGERS if reach <= np.iinfo(kind).max))

    def _multiplied(self, integers: str, steps: str) -> str:
        return self.add("Mul", self.cast(integers, np.float32), steps)
