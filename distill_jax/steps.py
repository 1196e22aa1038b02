"""One optimiser step of a student as a pure function of parameters, optimiser state and batch; jitted at the edge."""

import functools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from distill_jax.adam import adam
from distill_jax.config import OptimizerName
from distill_jax.losses import Objective
from distill_jax.students import Params, Student

_WRITTEN_OUT = 256  # tokens; the program grows with them, and so does the time to compile it


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


@partial(jax.jit, static_argnames=("student", "objective", "batch_size", "cut"), donate_argnames=("cursor",))
def batch_gradients(
    params: Params,
    cursor: dict[str, Array],
    data: dict[str, Array],
    *,
    student: Student,
    objective: Objective,
    batch_size: int,
    cut: int,
) -> tuple[Params, dict[str, Array], tuple[Array, Array]]:
    """Return the gradients on the next batch of the split. Nothing comes from the host: the cursor is on the device.

    Args:
        params: the parameters.
        cursor: scalars, given away: ``step`` in the epoch, ``global_step``.
        data: the whole split on the device: ``input_ids`` [n, length], ``labels`` [n], ``teacher_logits``
            [n, classes], filled up to a multiple of ``batch_size``; ``rows``, how many are real; ``dropout_key``; and,
            where rows are shuffled, ``order`` [n], the place of each row of this epoch.
        student: the student.
        objective: the loss of an example.
        batch_size: rows in a batch.
        cut: tokens that rows are cut to; at least what ``Student.cut_margin`` asks for.

    Returns:
        The gradients, the cursor of the next batch, and (mean loss over the batch's real rows, predicted classes
        [batch_size]).
    """
    length = data["input_ids"].shape[1]
    start = cursor["step"] * batch_size

    def batch(name: str) -> Array:
        if "order" in data:
            return data[name][jax.lax.dynamic_slice_in_dim(data["order"], start, batch_size)]
        return jax.lax.dynamic_slice_in_dim(data[name], start, batch_size)

    input_ids, labels, teacher_logits = batch("input_ids")[:, :cut], batch("labels"), batch("teacher_logits")
    counted = start + jnp.arange(batch_size) < data["rows"]
    dropout_rng = jax.random.fold_in(data["dropout_key"], cursor["global_step"])

    def loss_of(params: Params) -> tuple[Array, Array]:
        logits = student.training_logits(params, input_ids, length, dropout_rng)
        losses = objective(logits, labels, teacher_logits.astype(logits.dtype))
        return jnp.where(counted, losses, 0).sum() / counted.sum().astype(logits.dtype), logits

    (loss, logits), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
    if student.config.name == "fasttext":  # the pad row is frozen (torch's padding_idx)
        gradients[student.table_name] = gradients[student.table_name].at[student.config.pad_id].set(0)
    cursor = {"step": cursor["step"] + 1, "global_step": cursor["global_step"] + 1}
    return gradients, cursor, (loss, logits.argmax(axis=-1).astype(jnp.int32))


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


@partial(jax.jit, static_argnames=("objective", "batch_size", "distinct"), donate_argnums=(0,))
def sparse_sgd_steps(
    params: Params,
    data: dict[str, Array],
    rows: Array,
    learning_rate: Array,
    *,
    objective: Objective,
    batch_size: int,
    distinct: bool = False,
) -> tuple[Params, Array, Array]:
    """Take many steps of SGD on the linear student, each touching only the rows of the table that its texts use.

    The loss is differentiated with respect to the texts' means, a row's gradient is its mean's times its weight, and
    the update is added at the rows' places: for SGD without momentum that is dense SGD, at a thousandth of its memory
    traffic. A dense gradient would write the whole table at every step.

    Args:
        params: the linear student's parameters, given away; fastest when widened (``widen``).
        data: a stretch of the split: ``tokens`` and ``counts`` [n, width] (bags), ``divisors`` [n], ``labels`` [n],
            ``teacher_logits`` [n, classes]; n is a multiple of ``batch_size``.
        rows: int scalar, how many of the n rows are real; the others change nothing.
        learning_rate: scalar.
        objective: the loss of an example.
        batch_size: rows a step.
        distinct: no token stands twice in a step, fillers included; the update is then three times as fast.

    Returns:
        The new parameters, the loss of each step [n / batch_size] and the predicted class of each row [n].
    """
    table, head = params["embeddings"], params["output"]
    total = len(data["labels"])
    weights = data["counts"].astype(table.dtype) / data["divisors"][:, None].astype(table.dtype)
    counted = (jnp.arange(total) < rows).astype(table.dtype).reshape(-1, batch_size)
    batches = {
        "tokens": data["tokens"],
        "weights": weights,
        "labels": data["labels"],
        "teacher_logits": data["teacher_logits"].astype(table.dtype),
    }
    batches = {name: array.reshape(-1, batch_size, *array.shape[1:]) for name, array in batches.items()}
    batches["shares"] = counted / jnp.maximum(counted.sum(axis=1, keepdims=True), 1)  # of a row in its step's mean
    tx = make_optimizer("sgd", learning_rate)

    def step(carry: tuple[Array, Params], batch: dict[str, Array]) -> tuple[tuple[Array, Params], Array]:
        table, head = carry

        def loss_of(trained: tuple[Array, Params]) -> tuple[Array, Array]:
            pooled, head = trained
            logits = pooled @ head["kernel"] + head["bias"]
            return (objective(logits, batch["labels"], batch["teacher_logits"]) * batch["shares"]).sum(), logits

        pooled = weighted_sum(table, batch["tokens"], batch["weights"])
        (pooled_gradient, head_gradient), logits = jax.grad(loss_of, has_aux=True)((pooled, head))
        gradients = (batch["weights"][:, :, None] * pooled_gradient[:, None, :], head_gradient)
        (row_update, head_update), _ = tx.update(gradients, tx.init(gradients))
        places, row_update = batch["tokens"].reshape(-1), row_update.reshape(-1, table.shape[1])
        table = table.at[places].add(row_update, unique_indices=distinct, mode="promise_in_bounds")
        return (table, optax.apply_updates(head, head_update)), logits

    (table, head), logits = jax.lax.scan(step, (table, head), batches)
    # Losses and classes of all rows at once, from the logits that each step saw: no work for them inside the scan.
    losses = jax.vmap(objective)(logits, batches["labels"], batches["teacher_logits"]) * batches["shares"]
    predictions = logits.argmax(axis=-1).astype(jnp.int32)
    return {"embeddings": table, "output": head}, losses.sum(axis=1), predictions.reshape(-1)


def weighted_sum(table: Array, tokens: Array, weights: Array) -> Array:
    """Return each text's sum of rows times weights, [batch, dim], from tokens and weights [batch, width].

    For one text the sum is written out, token by token: XLA makes one loop of it, which holds the sum in registers and
    never stores the gathered rows, more than twice as fast as gathering them and multiplying.
    """
    batch, width = tokens.shape
    if batch > 1 or width > _WRITTEN_OUT:
        return jnp.einsum("bw,bwd->bd", weights, table[tokens])
    rows = [weights[0, i] * jax.lax.dynamic_index_in_dim(table, tokens[0, i]) for i in range(width)]
    halves = [functools.reduce(jnp.add, rows[i::2], jnp.zeros_like(rows[0])) for i in range(2)]
    # XLA would sum again wherever the sum is used, also after the table's update, and copy the table for that; it does
    # not do so through a matrix product.
    return jnp.ones((1, 2), table.dtype) @ jnp.concatenate(halves)


def widen(params: Params, multiple: int = 16, fillers: int = 0) -> Params:
    """Return the linear student's parameters with zero columns up to a multiple of ``multiple``.

    With rows of a whole number of vector registers the inner loops need no remainder; the columns stay zero, for their
    gradient is. ``fillers`` zero rows are added after the last: places for the unused slots of a bag.
    """
    padding = -params["embeddings"].shape[1] % multiple
    output = {**params["output"], "kernel": jnp.pad(params["output"]["kernel"], ((0, padding), (0, 0)))}
    return {"embeddings": jnp.pad(params["embeddings"], ((0, fillers), (0, padding))), "output": output}


def narrow(params: Params, width: int, rows: int | None = None) -> Params:
    """Return the parameters without the columns, and the rows from ``rows`` on, that ``widen`` added."""
    output = {**params["output"], "kernel": params["output"]["kernel"][:width]}
    return {"embeddings": params["embeddings"][:rows, :width], "output": output}


@partial(jax.jit, static_argnames=("student", "padded_length"))
def eval_logits(params: Params, input_ids: Array, *, student: Student, padded_length: int) -> Array:
    """Return logits [batch, classes] without dropout, from rows that may have been cut."""
    return student.logits(params, input_ids, padded_length=padded_length)
