"""A student as pure functions of its parameters.

Nothing but the modules' own files knows NNX: a ``Student`` holds a module's graph, parameters are a plain nested dict.
Flax, which takes half a second, is imported where a network is built: many students predict without theirs.
"""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from distill_jax.jax_setup import full_precision, require_own_jax
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params
from distill_jax.students.registry import student_config


@dataclasses.dataclass(frozen=True)
class Student:
    """A student as pure functions of its parameters (a nested dict of arrays)."""

    config: StudentConfig

    @cached_property
    def _split(self) -> tuple[Any, Any]:
        from flax import nnx

        return nnx.split(nnx.eval_shape(lambda: self.config.module(nnx.Rngs(0))))

    def shapes(self) -> Params:
        """Return the parameters' shapes and types, without making any."""
        from flax import nnx

        return nnx.to_pure_dict(self._split[1])

    def init(self, seed: int) -> Params:
        """Return new parameters from the notebook's distributions (NumPy arrays); the same for the same seed."""
        from flax import nnx

        module = self.config.module(nnx.Rngs(params=seed))
        return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.split(module)[1]))

    def logits(
        self,
        params: Params,
        inputs: Array | np.ndarray,
        *,
        padded_length: int | None = None,
        dropout_rng: Array | None = None,
    ) -> Array:
        """Return logits [batch, classes].

        Args:
            params: the student's parameters.
            inputs: what ``StudentConfig.inputs`` makes of token ids, padded with ``pad_id`` on the right: int
                [batch, length]; with n-grams [batch, length, ngrams].
            padded_length: the length that the rows stand for, where padding was cut off.
            dropout_rng: the key of the dropout in training; None = no dropout.
        """
        with full_precision():
            return self._module(params)(jnp.asarray(inputs), padded_length=padded_length, dropout_rng=dropout_rng)

    def with_token_states(
        self, params: Params, inputs: Array, *, padded_length: int | None = None, dropout_rng: Array | None = None
    ) -> tuple[Array, Array]:
        """Return logits, and the student's state at each token, [batch, length, ``config.token_state_width``].

        Args are those of ``logits``.
        """
        module = self._module(params)
        with full_precision():
            return module.with_token_states(inputs, padded_length=padded_length, dropout_rng=dropout_rng)

    def _module(self, params: Params) -> Any:
        from flax import nnx

        return nnx.merge(self._split[0], params)


def build_student(name: str, *, vocab_size: int, num_labels: int, pad_id: int = 0, **options: Any) -> Student:
    """Return a student; ``options`` are its own fields (``embedding_dim``, ``dropout``, …).

    Raises:
        InputError: there is no such student or option, or a value is out of range.
    """
    return Student(student_config(name, vocab_size=vocab_size, num_labels=num_labels, pad_id=pad_id, **options))


def to_device(params: Params) -> Params:
    """Return the parameters as arrays on JAX's default device."""
    require_own_jax()
    return jax.tree.map(jax.numpy.asarray, params)
