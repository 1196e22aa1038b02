"""The linear student: a bag of tokens and n-grams."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray
from distill_jax.students.fasttext import FastTextConfig
from distill_jax.students.networks.layers import symmetric_uniform, with_buckets


class FastText(nnx.Module):
    """The linear student (Joulin et al. 2016): the mean of the tokens' embeddings, then a linear layer.

    With n-grams, their buckets' embeddings are averaged too. The pad token's row is zero and stays so.
    """

    def __init__(self, config: FastTextConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.embedding_dim
        table = jax.random.uniform(rngs.params(), (config.vocab_size, width), maxval=1 / width)
        self.embeddings = nnx.Param(with_buckets(table, config.pad_id, config.buckets))
        bias = symmetric_uniform(rngs.params(), (config.num_labels,), width)
        features = width * (3 if config.pooling == "mean-max-min" else 1)
        self.output = nnx.Dict(kernel=nnx.Param(jnp.zeros((features, config.num_labels))), bias=nnx.Param(bias))

    def __call__(
        self,
        inputs: Int[AnyArray, "batch length *ngrams"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch classes"]:
        """Return logits; ``padded_length`` is the divisor of cut rows where padding counts."""
        del dropout_rng  # the linear student has none
        input_ids = inputs.reshape(inputs.shape[0], -1)
        real = input_ids != self.config.pad_id
        table = self.embeddings[...]
        # One weight per token, so that the sum over a text is a matrix product, as in training.
        weights = real.astype(table.dtype) / self.divisors(real, padded_length)[:, None].astype(table.dtype)
        rows = jnp.asarray(table)[input_ids]
        pooled = jnp.einsum("bl,bld->bd", weights, rows)
        if self.config.pooling == "mean-max-min":
            pooled = jnp.concatenate([pooled, _max_of_real(rows, real), -_max_of_real(-rows, real)], axis=1)
        return pooled @ self.output["kernel"][...] + self.output["bias"][...]

    def divisors(self, real: Bool[AnyArray, "batch length"], padded_length: int | None) -> Int[Array, " batch"]:
        """Return what each row's sum is divided by, from the mask of real tokens."""
        if not self.config.mask_padding:
            return jnp.full(real.shape[0], padded_length or real.shape[1])
        return jnp.maximum(real.sum(axis=1), 1)


def _max_of_real(
    rows: Float[Array, "batch length dim"], real: Bool[Array, "batch length"]
) -> Float[Array, "batch dim"]:
    """Return the largest of each number over the real tokens; 0 for a text without any."""
    largest = jnp.where(real[:, :, None], rows, -jnp.inf).max(axis=1, initial=-jnp.inf)
    return jnp.where(real.any(axis=1)[:, None], largest, 0)
