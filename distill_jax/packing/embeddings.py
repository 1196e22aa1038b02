"""A network over token embeddings made small: the table turned to what the layers behind it see, and rounded.

The layers see an embedding e through their kernels K alone, so that rounding errors count by the metric K Kᵀ. In its
square root's coordinates, turned to their main directions, every number of the table may have one step, and directions
that the layers hardly see round to zeros, which cost nothing. Rare tokens may be wrong by more: a token's step grows
with the square root of its rank. The kernels are those of the same function in the new coordinates.

Words that no text at hand has will come all the same, and a table that began as a language model's says something of
them. They are the last to go, with the coarsest step, and go sooner where they are nearly all of the vocabulary.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from distill_jax.packed.coding import Quantised, quantised
from distill_jax.packing.shrinker import Shrinker, Shrunk
from distill_jax.packing.usage import Usage
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import flat_params

_LEAST_SEEN = 1e-4  # of the metric's largest eigenvalue: what is seen less is taken for so much
_MIDDLE_RANK = 4_000
_OCTAVES = (-3, 1)  # steps of the most and of the least frequent tokens, as powers of 2
_UNSEEN_OCTAVE = 2  # of those that no text has
_FEW_SEEN = 0.2  # of a vocabulary: one of a hundred languages for texts of one
_FINEST = 0.05  # the table's step at level 0, as a part of its numbers' root mean square
_COARSER = 1.26
_KERNEL_STEP, _COARSEST_KERNEL = 0.2, 0.2  # of a layer's step, as a part of the table's; and at most


@dataclasses.dataclass(frozen=True)
class EmbeddingShrinker(Shrinker):
    """The network in the coordinates in which its table is rounded.

    Attributes:
        config: the student.
        table_name: the table's.
        values: float64 [ids, dim], the table.
        seen: bool [ids], which rows' ids occur.
        groups: uint8 [ids], each row's octave.
        kernels: the layers that see the table, by name, float64 [..., dim, outputs].
        others: all other parameters.
        scale: the root mean square of the table's numbers.
    """

    levels: ClassVar[int] = 20

    config: StudentConfig
    table_name: str
    values: np.ndarray
    seen: np.ndarray
    groups: np.ndarray
    kernels: Mapping[str, np.ndarray]
    others: Mapping[str, np.ndarray]
    scale: float

    @classmethod
    def of(cls, config: Any, params: Mapping[str, Any], usage: Usage) -> "EmbeddingShrinker":
        """Turn the table and the layers that see it."""
        flat = {name: np.asarray(array, np.float64) for name, array in flat_params(params).items()}
        table = flat.pop(config.table_name)
        seen = {name: flat.pop(name) for name in config.embedding_kernels}
        occurs = usage.features > 0
        occurs[config.pad_id] = True  # where padding counts as text it is in every text
        together = np.concatenate([np.moveaxis(k, -2, 0).reshape(table.shape[1], -1) for k in seen.values()], axis=1)
        sizes, axes = np.linalg.eigh(together @ together.T)
        roots = np.sqrt(np.maximum(sizes, sizes[-1] * _LEAST_SEEN))
        stretched = table @ (axes * roots)
        weights = np.sqrt(np.maximum(usage.features, 1))[:, None]
        _, lengths, directions = np.linalg.svd((stretched * weights).T @ (stretched * weights))
        del lengths
        back = directions @ (axes / roots).T
        values = stretched @ directions.T
        return cls(
            config=config,
            table_name=config.table_name,
            values=values,
            seen=occurs,
            groups=_octaves(usage.features, occurs),
            kernels={name: back @ kernel for name, kernel in seen.items()},
            others=flat,
            scale=float(np.sqrt(np.mean(values**2))),
        )

    @property
    def levels_of_all_words(self) -> int:
        """Fewer where nearly all words are unseen."""
        return 16 if np.mean(self.seen) >= _FEW_SEEN else 8

    def at(self, level: int) -> Shrunk:
        """Return the network with steps that grow by a quarter from level to level."""
        step = _FINEST * _COARSER**level
        octaves = range(_OCTAVES[0], _UNSEEN_OCTAVE + 1)
        steps = tuple(step * self.scale * 2.0**octave for octave in octaves)
        kept = self.seen | (level < self.levels_of_all_words)
        table = quantised(self.values[kept], steps, self.groups[kept], kept)
        seen = np.abs(table.integers).any(axis=0)
        seen[0] = True  # a table has one column at least
        integers = np.ascontiguousarray(table.integers[:, seen])
        table = dataclasses.replace(table, integers=integers, shape=(len(kept), int(seen.sum())))
        sizes = np.sqrt(np.mean(table.numbers**2, axis=0)) + 1e-30
        kernel_step = min(_KERNEL_STEP * step, _COARSEST_KERNEL)
        arrays: dict[str, np.ndarray | Quantised] = {self.table_name: table}
        for name, kernel in self.kernels.items():
            arrays[name] = _rounded_by_column(kernel[..., seen, :], sizes, kernel_step)
        for name, array in self.others.items():
            arrays[name] = array.astype(np.float32) if array.ndim == 1 else _rounded(array, kernel_step)
        return Shrunk(dataclasses.replace(self.config, embedding_dim=int(seen.sum())), arrays)


def _octaves(counts: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    """Return each token's octave: 0 for the most frequent ones, 1 more for each time that the rank is fourfold."""
    rank = np.empty(len(counts))
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    octaves = np.clip(np.floor(np.log2(rank / _MIDDLE_RANK) / 2 + 0.5), *_OCTAVES)
    octaves[~occurs] = _UNSEEN_OCTAVE
    return (octaves - _OCTAVES[0]).astype(np.uint8)


def _rounded(kernel: np.ndarray, step: float) -> Quantised:
    return quantised(kernel, (step * float(np.sqrt(np.mean(kernel**2))) or 1.0,))


def _rounded_by_column(kernel: np.ndarray, sizes: np.ndarray, step: float) -> Quantised:
    """Return a kernel [..., dim, outputs] whose rows have coarser steps where the table's column is small.

    Args:
        kernel: what is rounded.
        sizes: float [dim], the root mean square of each of the table's columns.
        step: as a part of what the kernel's numbers, times these sizes, have as root mean square.
    """
    octaves = np.clip(np.floor(np.log2(sizes.max() / sizes)), 0, 7).astype(np.uint8)
    scale = float(np.sqrt(np.mean((kernel * sizes[:, None]) ** 2))) or 1.0
    steps = tuple(step * scale / sizes.max() * 2.0**octave for octave in range(8))
    groups = np.broadcast_to(octaves, kernel.shape[:-1]).reshape(-1)
    return quantised(kernel, steps, np.ascontiguousarray(groups))
