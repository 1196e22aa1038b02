"""Where the row of an id lies in a table of some ids: a count of bits, of two bits and an eighth an id.

A number for each id would be ten times the table itself: most ids of a linear student are buckets that say nothing.
"""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from distill_jax.conversion.onnx.graph import Graph

_BYTE, _BLOCK = 8, 256  # ids
_NOT_KEPT = 8  # more than there can be kept before an id in its byte


@dataclasses.dataclass(frozen=True)
class KeptRows:
    """Which ids have a row, in the order of ids; the others have the one behind the last.

    Attributes:
        count: how many have.
        bits: uint8 [ids / 8], a bit an id, the lowest first.
        in_block: uint8 [ids / 8], how many are kept before a byte's first id in its block of 256.
        before: int32 [ids / 256], how many before a block.
    """

    count: int
    bits: np.ndarray
    in_block: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, kept: np.ndarray) -> "KeptRows":
        """Return them of bool [ids]."""
        whole = np.concatenate([kept, np.zeros(-len(kept) % _BLOCK, bool)])
        in_bytes = whole.reshape(-1, _BYTE).sum(axis=1)
        earlier = np.cumsum(in_bytes) - in_bytes
        before = earlier[:: _BLOCK // _BYTE]
        in_block = earlier - before.repeat(_BLOCK // _BYTE)
        bits = np.packbits(whole, bitorder="little")
        return cls(int(kept.sum()), bits, in_block.astype(np.uint8), before.astype(np.int32))

    def places(self, graph: "Graph", ids: str) -> str:
        """Return the rows' numbers of ids, int64."""
        byte = graph.add("Div", ids, graph.constant(_BYTE))
        bit = graph.add("Sub", ids, graph.add("Mul", byte, graph.constant(_BYTE)))
        content = graph.cast(graph.add("Gather", graph.constant(self.bits, np.uint8), byte), np.int64)
        entry = graph.add("Add", graph.add("Mul", content, graph.constant(_BYTE)), bit)
        in_byte = graph.cast(graph.add("Gather", graph.constant(_in_byte(), np.uint8), entry), np.int64)
        in_block = graph.cast(graph.add("Gather", graph.constant(self.in_block, np.uint8), byte), np.int64)
        block = graph.add("Div", ids, graph.constant(_BLOCK))
        before = graph.cast(graph.add("Gather", graph.constant(self.before, np.int32), block), np.int64)
        place = graph.add("Add", graph.add("Add", before, in_block), in_byte)
        missing = graph.add("Equal", in_byte, graph.constant(_NOT_KEPT))
        return graph.add("Where", missing, graph.constant(self.count), place)


def _in_byte() -> np.ndarray:
    """Return, for each byte's content and each bit, how many bits are set below it; ``_NOT_KEPT`` where it is not."""
    bits = np.unpackbits(np.arange(_BLOCK, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    below = np.cumsum(bits, axis=1) - bits
    return np.where(bits, below, _NOT_KEPT).reshape(-1)
