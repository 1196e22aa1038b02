"""What stands behind a bag's sum in a step of sparse SGD: its forward pass, and what follows from it, written out.

For one text a matrix product is slower than products and a sum, inside a loop of XLA's on the CPU.
"""

from typing import Protocol

import jax.numpy as jnp
from jax import Array

from distill_jax.students.params import Params

Leaves = tuple[Array, ...]


class Head(Protocol):
    """The layers behind the table. ``leaves`` are their parameters in the form that the loop carries."""

    first: str

    def leaves(self, params: Params) -> Leaves:
        """Return them of a student's parameters."""

    def params(self, leaves: Leaves) -> Params:
        """Return what ``leaves`` was given, the table excepted."""

    def forward(self, leaves: Leaves, bags: Array) -> tuple[Array, Leaves]:
        """Return logits [batch, classes] of bags [batch, dim], and what ``back`` asks for."""

    def back(self, leaves: Leaves, bags: Array, seen: Leaves, moves: Array) -> tuple[Leaves, Array]:
        """Return the leaves after a step, and the bags' moves [batch, dim]; ``moves`` [batch, classes] are the logits'.

        A move is the gradient times the negative learning rate.
        """


class LinearHead:
    """A linear layer."""

    first = "output"

    def leaves(self, params: Params) -> Leaves:
        """Return the kernel [classes, dim] and the bias."""
        return params["output"]["kernel"].T, params["output"]["bias"]

    def params(self, leaves: Leaves) -> Params:
        """Return the layer."""
        return {"output": {"kernel": leaves[0].T, "bias": leaves[1]}}

    def forward(self, leaves: Leaves, bags: Array) -> tuple[Array, Leaves]:
        """Return logits."""
        kernel, bias = leaves
        return _product(bags, kernel) + bias, ()

    def back(self, leaves: Leaves, bags: Array, seen: Leaves, moves: Array) -> tuple[Leaves, Array]:
        """Return the layer after a step, and the bags' moves."""
        del seen
        kernel, bias = leaves
        return (kernel + moves.T @ bags, bias + moves.sum(axis=0)), moves @ kernel


class ReluHead:
    """A ReLU layer and a linear layer."""

    first = "hidden"

    def leaves(self, params: Params) -> Leaves:
        """Return both kernels, [hidden, dim] and [classes, hidden], each with its bias behind it."""
        return tuple(
            leaf for layer in ("hidden", "output") for leaf in (params[layer]["kernel"].T, params[layer]["bias"])
        )

    def params(self, leaves: Leaves) -> Params:
        """Return both layers."""
        first, first_bias, last, last_bias = leaves
        return {"hidden": {"kernel": first.T, "bias": first_bias}, "output": {"kernel": last.T, "bias": last_bias}}

    def forward(self, leaves: Leaves, bags: Array) -> tuple[Array, Leaves]:
        """Return logits, and the hidden layer's numbers."""
        first, first_bias, last, last_bias = leaves
        hidden = jnp.maximum(_product(bags, first) + first_bias, 0)
        return _product(hidden, last) + last_bias, (hidden,)

    def back(self, leaves: Leaves, bags: Array, seen: Leaves, moves: Array) -> tuple[Leaves, Array]:
        """Return both layers after a step, and the bags' moves."""
        first, first_bias, last, last_bias = leaves
        (hidden,) = seen
        inner = jnp.where(hidden > 0, moves @ last, 0)
        new = first + inner.T @ bags, first_bias + inner.sum(axis=0), last + moves.T @ hidden
        return (*new, last_bias + moves.sum(axis=0)), inner @ first


def head_of(params: Params) -> Head:
    """Return the head of a bag's parameters."""
    return ReluHead() if "hidden" in params else LinearHead()


def _product(rows: Array, kernel: Array) -> Array:
    """Return ``rows @ kernel.T``."""
    return (rows[:, None] * kernel).sum(axis=2) if len(rows) == 1 else rows @ kernel.T
