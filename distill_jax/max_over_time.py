"""Convolution over a text, ReLU, maximum over time: Kim's feature extractor, with a backward pass as sparse as it is.

The maximum passes its gradient to one window of tokens per text and filter, so the backward pass gathers these
windows alone instead of convolving over the whole text. Where windows tie, the first one takes the gradient, as in
torch; plain autodiff in JAX would share it among them.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array


def max_over_time(x: Array, kernel: Array, bias: Array, starts: Array | None) -> Array:
    """Return ``max_t relu(kernel · x[t : t + height] + bias)``, [batch, filters] (Kim 2014, equations 2 and 3).

    Args:
        x: embedded tokens, [batch, length, dim], ``length >= height``.
        kernel: [height, dim, filters].
        bias: [filters].
        starts: int [batch], how many windows of each text count (the first ones, at least one); None = all.
    """
    return _max_over_time(x, kernel, bias, starts)


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
    height = kernel.shape[0]
    gradient = jnp.where(features > 0, gradient, 0)
    tokens = first[:, :, None] + jnp.arange(height)  # [batch, filters, height]
    windows = jax.vmap(lambda row, index: row[index])(x, tokens)  # [batch, filters, height, dim]
    kernel_gradient = jnp.einsum("bfhd,bf->hdf", windows, gradient)
    spread = gradient[:, :, None, None] * kernel.transpose(2, 0, 1)[None]
    x_gradient = jax.vmap(partial(_scatter_rows, length=x.shape[1]))(tokens, spread)
    return x_gradient, kernel_gradient, gradient.sum(axis=0), None


def _scatter_rows(tokens: Array, rows: Array, length: int) -> Array:
    """Return [length, dim] with ``rows`` [filters, height, dim] added up at ``tokens`` [filters, height]."""
    dim = rows.shape[-1]
    return jnp.zeros((length, dim), rows.dtype).at[tokens.reshape(-1)].add(rows.reshape(-1, dim))


_max_over_time.defvjp(_forward, _backward)
