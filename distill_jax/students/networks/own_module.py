"""A user's own module behind the call that all students have."""

from typing import Any

from flax import nnx
from jax import Array

from distill_jax.errors import InputError
from distill_jax.students.own_module import takes


class Own(nnx.Module):
    """A module that is called with token ids alone, or with the dropout's key too."""

    def __init__(self, module: Any) -> None:
        leaves = list(nnx.to_flat_state(nnx.state(module)))
        states = [str(path) for path, leaf in leaves if not isinstance(leaf, nnx.Param)]
        if states:
            raise InputError(
                f"student: expected a module whose variables are all nnx.Param, got {', '.join(states)}; draw dropout "
                "from the argument dropout_rng, and keep no running statistics"
            )
        for path, leaf in leaves:
            if leaf.dtype != "float32":
                raise InputError(
                    f"student: parameter {'.'.join(map(str, path))}: expected float32, got {leaf.dtype}; a module may "
                    "compute in another type (dtype), but its parameters are kept in float32 (param_dtype)"
                )
        self.module = module
        self._takes_rng = takes(module, "dropout_rng")

    def __call__(self, inputs: Array, padded_length: int | None = None, dropout_rng: Array | None = None) -> Array:
        """Return logits [batch, classes]."""
        del padded_length
        return self.module(inputs, dropout_rng=dropout_rng) if self._takes_rng else self.module(inputs)
