"""One optimiser step of a student as a pure function of parameters, optimiser state and batch; jitted at the edge."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from distill_jax.config import OptimizerName
from distill_jax.jax_setup import full_precision
from distill_jax.losses import Objective
from distill_jax.students.params import Params
from distill_jax.students.student import Student
from distill_jax.training.hints import HINT_MAP, hint_losses
from distill_jax.training.optimizers import make_optimizer

_STATIC = ("student", "objective", "batch_size", "length", "cut", "shares")


@partial(jax.jit, static_argnames=_STATIC, donate_argnames=("cursor",))
def batch_gradients(
    params: Params,
    cursor: dict[str, Array],
    data: dict[str, Array],
    *,
    student: Student,
    objective: Objective,
    batch_size: int,
    length: int,
    cut: int,
    shares: NamedSharding | None = None,
    hint_weight: Array | None = None,
) -> tuple[Params, dict[str, Array], tuple[Array, Array]]:
    """Return the gradients on the next batch of the split. Nothing comes from the host: the cursor is on the device.

    Args:
        params: the parameters; with hints, their map among them.
        cursor: scalars, given away: ``step`` in the epoch, ``global_step``.
        data: the whole split on the device: ``tokens`` of all rows (``token_arrays``); ``starts``, ``stops`` and
            ``labels`` [n] and ``teacher_logits`` [n, classes], filled up to a multiple of ``batch_size``; ``rows``, how
            many are real; ``dropout_key``; where rows have weights, ``row_weights`` [n]; with hints, ``hints``
            (``hint_array``); and, where rows are shuffled, ``order`` [n], each row of this epoch.
        student: the student.
        objective: the loss of an example.
        batch_size: rows in a batch.
        length: the tokens that rows are padded to.
        cut: tokens that rows are cut to; at least what ``StudentConfig.cut_margin`` asks for.
        shares: how several devices divide the batch's rows; None = one device has all.
        hint_weight: what the hints' loss counts beside the objective; None = there are none.

    Returns:
        The gradients, the cursor of the next batch, and (mean loss over the batch's real rows, each times its weight,
        without the hints'; answers [batch_size]).
    """
    start = cursor["step"] * batch_size

    def batch(name: str) -> Array:
        if "order" in data:
            return data[name][jax.lax.dynamic_slice_in_dim(data["order"], start, batch_size)]
        return jax.lax.dynamic_slice_in_dim(data[name], start, batch_size)

    starts, stops = batch("starts"), batch("stops")
    inputs = _padded(data["tokens"], starts, stops, cut, student.config.pad_id)
    if shares is not None:
        inputs = jax.lax.with_sharding_constraint(inputs, shares)
    labels, teacher_logits = batch("labels"), batch("teacher_logits")
    counted = start + jnp.arange(batch_size) < data["rows"]
    dropout_rng = jax.random.fold_in(data["dropout_key"], cursor["global_step"])

    def mean(losses: Array) -> Array:
        if "row_weights" in data:
            losses = losses * batch("row_weights").astype(losses.dtype)
        return jnp.where(counted, losses, 0).sum() / counted.sum().astype(losses.dtype)

    def loss_of(params: Params) -> tuple[Array, tuple[Array, Array]]:
        options: dict[str, Any] = {"padded_length": length, "dropout_rng": dropout_rng}
        further: Array | float = 0.0
        if hint_weight is None:
            raw = student.logits(params, inputs, **options)
        else:
            own = {name: leaf for name, leaf in params.items() if name != HINT_MAP}
            raw, states = student.with_token_states(own, inputs, **options)
            index = jnp.arange(states.shape[1])
            hints = data["hints"].at[starts[:, None] + index].get(mode="clip")
            is_token = index < (stops - starts)[:, None]
            further = hint_weight * mean(hint_losses(states, hints, is_token, params[HINT_MAP]))
        logits = objective.task.outputs(raw)
        loss = mean(objective(logits, labels, teacher_logits.astype(logits.dtype)))
        return loss + further, (loss, logits)

    with full_precision():
        (_, (loss, logits)), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    if student.config.frozen_padding:
        table = student.config.table_name
        gradients[table] = gradients[table].at[student.config.pad_id].set(0)
    cursor = {"step": cursor["step"] + 1, "global_step": cursor["global_step"] + 1}
    answers = objective.task.answers(logits).astype(objective.task.answer_dtype)
    if shares is not None:  # every device, and so every process, has all of what the host looks at
        everywhere = NamedSharding(shares.mesh, PartitionSpec())
        gradients, answers = jax.lax.with_sharding_constraint((gradients, answers), everywhere)
    return gradients, cursor, (loss, answers)


def _padded(tokens: Array, starts: Array, stops: Array, cut: int, pad_id: int) -> Array:
    """Return a batch's rows, [batch, cut] or [batch, cut, ngrams], filled up on the right with ``pad_id``."""
    index = starts[:, None] + jnp.arange(cut, dtype=starts.dtype)
    real = (index < stops[:, None]).reshape(*index.shape, *[1] * (tokens.ndim - 1))
    return jnp.where(real, tokens.at[index].get(mode="clip"), pad_id)


@partial(jax.jit, static_argnames=("optimizer", "clip_norm"), donate_argnames=("params", "opt_state"))
def apply_gradients(
    params: Params,
    opt_state: Any,
    gradients: Params,
    learning_rate: Array,
    *,
    optimizer: OptimizerName,
    clip_norm: float = 0.0,
) -> tuple[Params, Any]:
    """Return parameters and optimiser state after one update; parameters and state are given away.

    A program of its own: XLA on the CPU runs the two together at half the speed of one after the other.
    """
    updates, opt_state = make_optimizer(optimizer, learning_rate, clip_norm).update(gradients, opt_state, params)
    return optax.apply_updates(params, updates), opt_state
