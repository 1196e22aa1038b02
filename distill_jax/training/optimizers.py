"""Adam as torch computes it, with Optax's state: its bias corrections are accurate in float32 too.

Optax forms ``1 − 0.999**t`` in float32, where 0.999 itself is rounded: every update comes out 3e-6 to 1e-5 too small.
After 24 steps of the CNN its filters' responses are then 5e-7 from torch's instead of 3e-8, enough for the maximum over
time to choose another of two windows.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from distill_jax.config import OptimizerName

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def adam(learning_rate: Array | float) -> optax.GradientTransformation:
    """Return Adam (Kingma and Ba 2015) with torch's defaults: betas (0.9, 0.999), eps 1e-8.

    Its state is that of ``optax.adam``.

    Args:
        learning_rate: the rate of this update, a scalar.
    """
    return optax.chain(_scale_by_adam(), optax.scale_by_learning_rate(learning_rate))


def _scale_by_adam() -> optax.GradientTransformation:
    init = optax.scale_by_adam(BETA1, BETA2, EPSILON).init

    def update(gradients: Any, state: optax.ScaleByAdamState, params: Any = None) -> tuple[Any, Any]:
        del params
        count = optax.safe_increment(state.count)
        mu = jax.tree.map(lambda gradient, old: (1 - BETA1) * gradient + BETA1 * old, gradients, state.mu)
        nu = jax.tree.map(lambda gradient, old: (1 - BETA2) * gradient**2 + BETA2 * old, gradients, state.nu)

        def direction(first: Array, second: Array) -> Array:
            steps = count.astype(first.dtype)
            root = jnp.sqrt(second / _bias_correction(BETA2, steps))
            return first / _bias_correction(BETA1, steps) / (root + EPSILON)

        return jax.tree.map(direction, mu, nu), optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


def _bias_correction(beta: float, steps: Array) -> Array:
    """Return ``1 − beta**steps`` without the cancellation."""
    return -jnp.expm1(steps * math.log(beta))


def make_optimizer(
    name: OptimizerName, learning_rate: Array | float, clip_norm: float = 0.0
) -> optax.GradientTransformation:
    """Return the optimiser with torch's defaults: Adam with betas (0.9, 0.999) and eps 1e-8, SGD without momentum.

    Args:
        name: ``adam`` or ``sgd``.
        learning_rate: the rate of this update.
        clip_norm: gradients of a larger global norm are scaled down to it first; 0 = never.
    """
    update = adam(learning_rate) if name == "adam" else optax.sgd(learning_rate)
    return optax.chain(optax.clip_by_global_norm(clip_norm), update) if clip_norm else update
