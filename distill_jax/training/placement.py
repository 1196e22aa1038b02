"""Where a training's arrays lie: on one device; or on several, all the same, of which each computes a share of a batch.

The loss is a sum over the batch divided by its count, so the devices' gradients add up to the batch's (data parallel).
The devices may be of several processes (``distill_jax.training.processes``), each of which then holds the same rows.
"""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from distill_jax.config import TrainConfig
from distill_jax.errors import InputError

_ROWS = "rows"


class Placement:
    """The devices of a training.

    Args:
        config: the training.

    Raises:
        InputError: there are fewer devices, or other processes have some of theirs left out.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._count, found = config.devices, len(jax.devices())
        if self._count > found or (jax.process_count() > 1 and self._count != found):
            raise InputError(
                f"--devices {self._count}: expected {'' if jax.process_count() > 1 else 'at most '}{found}, as many as "
                "JAX finds in all processes"
            )

    @cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(jax.devices()[: self._count]), (_ROWS,))

    @property
    def rows(self) -> NamedSharding | None:
        """How a batch's rows are divided; None = they are not."""
        return NamedSharding(self._mesh, PartitionSpec(_ROWS)) if self._count > 1 else None

    def put(self, array: Any) -> Any:
        """Return an array as it is on the one device, or as it is on each of several."""
        if self._count == 1:
            return jnp.asarray(array)
        whole, values = NamedSharding(self._mesh, PartitionSpec()), np.asarray(array)
        return jax.make_array_from_callback(values.shape, whole, lambda part: values[part])

    def copied(self, tree: Any) -> Any:
        """Return arrays that a step may take for its own."""
        return jax.tree.map(jnp.array if self._count == 1 else self.put, tree)

    def dropout_key(self, seed: int) -> Any:
        """Return the key that a training's dropout comes of."""
        if self._count == 1:
            return _dropout_key(seed)
        whole = NamedSharding(self._mesh, PartitionSpec())
        return jax.jit(_dropout_key, static_argnums=0, out_shardings=whole)(seed)

    def host(self, tree: Any) -> Any:
        """Return arrays for the rest of the program: as they are, or of several devices as NumPy's."""
        return tree if self._count == 1 else jax.tree.map(np.asarray, tree)


def _dropout_key(seed: int) -> Any:
    return jax.random.fold_in(jax.random.key(seed), 1)
