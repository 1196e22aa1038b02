"""What several students are made of: torch's initialisation, a bag's table, dropout, the lengths of texts."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray


def symmetric_uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Return torch's default for linear, convolution and (fan-in: its units) LSTM layers: U(−1/√fan_in, 1/√fan_in)."""
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Dict:
    """Return a linear layer's ``kernel`` [inputs, outputs] and ``bias`` [outputs], drawn as torch draws them."""
    kernel = symmetric_uniform(rngs.params(), (inputs, outputs), inputs)
    bias = symmetric_uniform(rngs.params(), (outputs,), inputs)
    return nnx.Dict(kernel=nnx.Param(kernel), bias=nnx.Param(bias))


def with_buckets(tokens: Float[Array, "vocab dim"], pad_id: int, buckets: int) -> Float[Array, "rows dim"]:
    """Return the table of a bag: its tokens, the pad token's row zero, and behind them the n-grams' buckets.

    Buckets start at zero, so that an n-gram that training never met adds nothing, rather than noise.
    """
    return jnp.concatenate([tokens.at[pad_id].set(0), jnp.zeros((buckets, tokens.shape[1]))])


def dropout(features: Float[AnyArray, "*shape"], rate: float, rng: PRNGKeyArray) -> Float[Array, "*shape"]:
    """Return ``features`` with a share ``rate`` of them set to zero and the others divided by ``1 − rate``."""
    kept = jax.random.bernoulli(rng, 1 - rate, features.shape)
    return jnp.where(kept, features / (1 - rate), 0)


def real_lengths(input_ids: Int[AnyArray, "batch length"], pad_id: int) -> Int[Array, " batch"]:
    """Return one more than the position of each row's last token that is not padding; 0 = none."""
    positions = jnp.arange(1, input_ids.shape[1] + 1)
    return jnp.where(input_ids != pad_id, positions, 0).max(axis=1, initial=0)
