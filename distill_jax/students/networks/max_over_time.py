"""Convolution over a text, ReLU, maximum over time: Kim's feature extractor, with a backward pass as sparse as it is.

The maximum passes its gradient to one window of tokens per text and filter, so the backward pass gathers these
windows alone instead of convolving over the whole text. Where windows tie, the first one takes the gradient, as in
torch; plain autodiff in JAX would share it among them.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distill_jax.arrays import AnyArray

_UNROLLED = 128  # the largest batch whose sum is written out


def max_over_time(
    x: Float[AnyArray, "batch length dim"],
    kernel: Float[AnyArray, "height dim filters"],
    bias: Float[AnyArray, " filters"],
    starts: Int[Array, " batch"] | None,
) -> Float[Array, "batch filters"]:
    """Return ``max_t relu(kernel · x[t : t + height] + bias)`` (Kim 2014, equations 2 and 3).

    Args:
        x: embedded tokens, ``length >= height``.
        kernel: the filters.
        bias: theirs.
        starts: how many windows of each text count (the first ones, at least one); None = all.
    """
    return _max_over_time(jnp.asarray(x), jnp.asarray(kernel), jnp.asarray(bias), starts)


@jax.custom_vjp
def _max_over_time(x: Array, kernel: Array, bias: Array, starts: Array | None) -> Array:
    return jax.nn.relu(_responses(x, kernel, starts).max(axis=1) + bias)


def _responses(x: Array, kernel: Array, starts: Array | None) -> Array:
    """Return the filters' responses without bias, [batch, length − height + 1, filters], −inf where not counted."""
    responses = jax.lax.conv_general_dilated(x, kernel, (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))
    if starts is None:
        return responses
    counted = jnp.arange(responses.shape[1])[None, :] < starts[:, None]
    return jnp.where(counted[:, :, None], responses, -jnp.inf)


def _forward(x: Array, kernel: Array, bias: Array, starts: Array | None) -> tuple[Array, tuple[Array, ...]]:
    responses = _responses(x, kernel, starts)
    highest = responses.max(axis=1)
    features = jax.nn.relu(highest + bias)
    # The first window that reaches the maximum; XLA's argmax is several times slower on the CPU than this.
    windows = responses.shape[1]
    position = jnp.arange(windows, dtype=jnp.int32)[None, :, None]
    first = jnp.where(responses == highest[:, None], position, windows - 1).min(axis=1)
    return features, (x, kernel, first, features)


def _backward(residuals: tuple[Array, ...], gradient: Array) -> tuple[Array, Array, Array, None]:
    x, kernel, first, features = residuals
    gradient = jnp.where(features > 0, gradient, 0)
    return (
        _input_gradient(x, kernel, first, gradient),
        _kernel_gradient(x, kernel, first, gradient),
        gradient.sum(0),
        None,
    )


def _kernel_gradient(x: Array, kernel: Array, first: Array, gradient: Array) -> Array:
    """Return the sum over texts of the chosen windows times their gradients, [height, dim, filters].

    The sum is written out, text by text: XLA makes one loop of it that never stores the gathered windows, five times
    as fast as gathering them all and then multiplying; but it takes long to compile for large batches.
    """
    offsets = jnp.arange(kernel.shape[0])
    if x.shape[0] > _UNROLLED:
        windows = jax.vmap(lambda row, index: row[index])(x, first[:, :, None] + offsets)
        return jnp.einsum("bfhd,bf->hdf", windows, gradient)
    total = sum(gradient[i][:, None, None] * x[i][first[i][:, None] + offsets] for i in range(x.shape[0]))
    return jnp.asarray(total).transpose(1, 2, 0)


def _input_gradient(x: Array, kernel: Array, first: Array, gradient: Array) -> Array:
    """Return the chosen windows' filters times their gradients, added up at the windows' tokens, like ``x``."""
    batch, length, dim = x.shape
    # Rows of a whole number of vector registers are added twice as fast; the barrier keeps XLA from making the padded
    # kernel anew for each of them.
    filters = jnp.pad(kernel.transpose(2, 0, 1), ((0, 0), (0, 0), (0, -dim % 16)))
    filters = jax.lax.optimization_barrier(filters)
    rows = gradient[:, :, None, None] * filters[None]  # [batch, filters, height, padded dim]
    tokens = first[:, :, None] + jnp.arange(kernel.shape[0]) + length * jnp.arange(batch)[:, None, None]
    sums = jnp.zeros((batch * length, filters.shape[-1]), x.dtype)
    sums = sums.at[tokens.reshape(-1)].add(rows.reshape(-1, filters.shape[-1]), mode="promise_in_bounds")
    return sums[:, :dim].reshape(x.shape)


_max_over_time.defvjp(_forward, _backward)
