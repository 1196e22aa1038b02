"""Plain SGD on a bag of n-grams: one compiled loop over the texts, and inside it loops over each text's tokens.

XLA on the CPU starts every operation inside a loop as a call of its own, unless it is asked to compile whole loops as
one function each (``distill_jax.jax_setup.configure_jax(fused_loops=True)``, before JAX is imported). This program is
then twice as fast.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from distill_jax.losses import Objective
from distill_jax.students.params import Params
from distill_jax.training.sparse_heads import Leaves, head_of


@partial(jax.jit, static_argnames=("objective", "batch_size", "unroll"), donate_argnums=(0,))
def sparse_sgd_steps(
    params: Params,
    data: dict[str, Array],
    rows: Array,
    *,
    objective: Objective,
    batch_size: int,
    unroll: int = 1,
) -> tuple[Params, Array, Array]:
    """Take many steps of SGD on a bag of n-grams, each touching only the rows of the table that its texts use.

    The loss is differentiated with respect to the logits; what follows from that for the head and for the texts' sums
    is written out (``sparse_heads``), and a sum's update, times the text's weight, is added to the row of each of its
    tokens, as often as it occurs. For SGD without momentum that is dense SGD, at a thousandth of its memory
    traffic: a dense gradient would write the whole table at every step.

    Args:
        params: the student's parameters, ``embeddings`` and those of its head, given away; fastest when
            widened (``widen``).
        data: ``tokens`` int [room], those of all texts without padding; and for a chunk of n rows, a multiple of
            ``batch_size``: ``starts`` and ``stops`` int32 [n], each text's place among the tokens, ``weights`` [n],
            what its sum is multiplied by, ``labels`` [n], ``teacher_logits`` [n, classes];
            ``learning_rates`` [n / batch_size], one a step; where rows have weights, ``row_weights`` [n].
        rows: int scalar, how many of the n rows are real; the others, whose texts are empty, change nothing.
        objective: the loss of an example.
        batch_size: rows a step.
        unroll: tokens that one turn of an inner loop takes; the result is the same. More than one is faster with
            fused loops and slower without.

    Returns:
        The new parameters, the loss of each step [n / batch_size] and the answer of each row [n]; nothing
        is said of rows and steps beyond the real ones.
    """
    table, head, labels = params["embeddings"], head_of(params), data["labels"]
    teacher_logits = data["teacher_logits"].astype(table.dtype)
    shares = _shares(len(labels), rows, batch_size, table.dtype)
    if "row_weights" in data:
        shares = shares * data["row_weights"].astype(table.dtype)
    each_token = partial(_each_token, data["tokens"], unroll)

    def step(index: Array, carry: tuple[Array, Leaves, Array]) -> tuple[Array, Leaves, Array]:
        table, leaves, seen = carry

        def batch(array: Array) -> Array:
            return _slice(array, index * batch_size, batch_size)

        places, weights = (batch(data["starts"]), batch(data["stops"])), batch(data["weights"])[:, None]
        bags = _sums(table, places, each_token) * weights
        logits, inner = head.forward(leaves, bags)

        def loss_of(logits: Array) -> Array:
            return (
                objective(objective.task.outputs(logits), batch(labels), batch(teacher_logits)) * batch(shares)
            ).sum()

        moves = -_slice(data["learning_rates"], index, 1) * jax.grad(loss_of)(logits)
        leaves, moved = head.back(leaves, bags, inner, moves)
        return _move(table, places, moved * weights, each_token), leaves, _put(seen, logits, index * batch_size)

    carry = (table, head.leaves(params), jnp.zeros((len(labels), teacher_logits.shape[1]), table.dtype))
    table, leaves, logits = jax.lax.fori_loop(0, (rows + batch_size - 1) // batch_size, step, carry)
    # Losses and classes of all rows at once, from the logits that each step saw: no work for them inside the loop.
    logits = objective.task.outputs(logits)
    losses = (objective(logits, labels, teacher_logits) * shares).reshape(-1, batch_size).sum(axis=1)
    params = {"embeddings": table, **head.params(leaves)}
    return params, losses, objective.task.answers(logits).astype(objective.task.answer_dtype)


def _shares(total: int, rows: Array, batch_size: int, dtype: Any) -> Array:
    """Return each row's share of the mean of its step, [total]: 0 for all but the first ``rows``."""
    places = jnp.arange(total, dtype=jnp.int32)
    in_step = jnp.minimum(batch_size, rows - places // batch_size * batch_size)
    return jnp.where(places < rows, 1 / in_step.astype(dtype), 0)


# Places are never negative and always inside; to say so saves a comparison and an addition for each.
def _slice(array: Array, start: Array, size: int) -> Array:
    return jax.lax.dynamic_slice_in_dim(array, start, size, allow_negative_indices=False)


def _put(array: Array, rows: Array, start: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(array, rows, start, 0, allow_negative_indices=False)


def _sums(table: Array, places: tuple[Array, Array], each_token: Callable[..., Any]) -> Array:
    """Return the sums [batch, dim] of the rows of each text's tokens."""
    batch, width = len(places[0]), table.shape[1]

    def add_text(text: Array, sums: Array) -> Array:
        def add(token: Array, total: Array) -> Array:
            return total + _slice(table, token, 1)

        return _put(sums, each_token(text, places, add, jnp.zeros((1, width), table.dtype)), text)

    return jax.lax.fori_loop(0, batch, add_text, jnp.zeros((batch, width), table.dtype))


def _move(table: Array, places: tuple[Array, Array], moves: Array, each_token: Callable[..., Any]) -> Array:
    """Return the table after each text's move, of ``moves`` [batch, dim], has been added for each of its tokens."""

    def move_text(text: Array, table: Array) -> Array:
        move = _slice(moves, text, 1)

        def add(token: Array, table: Array) -> Array:
            return _put(table, _slice(table, token, 1) + move, token)

        return each_token(text, places, add, table)

    return jax.lax.fori_loop(0, len(moves), move_text, table)


def _each_token(
    tokens: Array,
    unroll: int,
    text: Array,
    places: tuple[Array, Array],
    body: Callable[[Array, Any], Any],
    carry: Any,
) -> Any:
    """Return ``carry`` after ``body(token, carry)`` for one token of a text after the other."""
    start, stop = (_slice(place, text, 1)[0] for place in places)

    def one(place: Array, carry: Any) -> Any:
        return body(_slice(tokens, place, 1)[0], carry)

    def several(turn: Array, carry: Any) -> Any:
        for i in range(unroll):
            carry = one(start + turn * unroll + i, carry)
        return carry

    if unroll == 1:
        return jax.lax.fori_loop(start, stop, one, carry)
    turns = (stop - start) // unroll
    carry = jax.lax.fori_loop(0, turns, several, carry)
    return jax.lax.fori_loop(start + turns * unroll, stop, one, carry)


def widen(params: Params, multiple: int = 8) -> Params:
    """Return a bag's parameters with zero columns of the table up to a multiple of ``multiple``.

    With rows of a whole number of vector registers the inner loops need no remainder; the columns stay zero, for their
    gradient is. Not more columns than that: memory is what limits a step.
    """
    padding = -params["embeddings"].shape[1] % multiple
    first = head_of(params).first
    layer = {**params[first], "kernel": jnp.pad(params[first]["kernel"], ((0, padding), (0, 0)))}
    return {**params, "embeddings": jnp.pad(params["embeddings"], ((0, 0), (0, padding))), first: layer}


def narrow(params: Params, width: int) -> Params:
    """Return the parameters without the columns that ``widen`` added."""
    first = head_of(params).first
    layer = {**params[first], "kernel": params[first]["kernel"][:width]}
    return {**params, "embeddings": params["embeddings"][:, :width], first: layer}
