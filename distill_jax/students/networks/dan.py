"""A deep averaging network over tokens and n-grams."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray
from distill_jax.students.dan import DanConfig
from distill_jax.students.networks.layers import with_buckets

_DEVIATION = 0.3  # of a token's numbers at the start


class Dan(nnx.Module):
    """Embeddings of tokens and n-grams, their sum over a power of their number, a ReLU layer, a linear layer.

    Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods", section 3; with n-grams Ye et al. 2022,
    "Sparse distillation", section 3. The pad token's row is zero and stays so; n-grams' rows start at zero, so that one
    that training never met adds nothing.
    """

    def __init__(self, config: DanConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width, hidden = config.embedding_dim, config.hidden
        table = _DEVIATION * jax.random.normal(rngs.params(), (config.vocab_size, width))
        self.embeddings = nnx.Param(with_buckets(table, config.pad_id, config.buckets))
        self.hidden = _layer(jax.nn.initializers.he_normal(), width, hidden, rngs)
        self.output = _layer(jax.nn.initializers.lecun_normal(), hidden, config.num_labels, rngs)

    def __call__(
        self,
        inputs: Int[AnyArray, "batch length *ngrams"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch classes"]:
        """Return logits; ``dropout_rng`` None = every n-gram is read."""
        del padded_length  # padding is not looked at
        config = self.config
        ids = jnp.asarray(inputs).reshape(inputs.shape[0], -1)
        if dropout_rng is not None and config.ngram_dropout:
            dropped = jax.random.bernoulli(dropout_rng, config.ngram_dropout, ids.shape)
            ids = jnp.where(dropped & (ids >= config.vocab_size), config.pad_id, ids)
        real = ids != config.pad_id
        table = self.embeddings[...]
        weights = real.astype(table.dtype) * text_weights(real.sum(axis=1), config.length_power, table.dtype)[:, None]
        pooled = jnp.einsum("bl,bld->bd", weights, jnp.asarray(table)[ids])
        hidden = jax.nn.relu(pooled @ self.hidden["kernel"][...] + self.hidden["bias"][...])
        return hidden @ self.output["kernel"][...] + self.output["bias"][...]


def text_weights(counts: Int[Array, " batch"], power: float, dtype: jnp.dtype) -> Float[Array, " batch"]:
    """Return what each text's sum is multiplied by, ``counts ** -power``; 1 for an empty text."""
    return jnp.maximum(counts, 1).astype(dtype) ** -power


def _layer(draw: jax.nn.initializers.Initializer, inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Dict:
    return nnx.Dict(kernel=nnx.Param(draw(rngs.params(), (inputs, outputs))), bias=nnx.Param(jnp.zeros(outputs)))
