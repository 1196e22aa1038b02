"""Kim's convolutional network for sentences."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray
from distill_jax.students.cnn import CnnConfig
from distill_jax.students.ensemble import EnsembleConfig
from distill_jax.students.networks.layers import dropout, linear, real_lengths, symmetric_uniform
from distill_jax.students.networks.max_over_time import max_over_time


class KimCnn(nnx.Module):
    """Kim's CNN (2014): embedding, filters of several heights, ReLU, maximum over time, dropout, linear layer."""

    def __init__(self, config: CnnConfig | EnsembleConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width, filters = config.embedding_dim, config.filters
        table = jax.random.normal(rngs.params(), (config.vocab_size, width))
        self.embedding = nnx.Param(table.at[config.pad_id].set(0))
        for index, height in enumerate(config.filter_heights):
            kernel = symmetric_uniform(rngs.params(), (height, width, filters), height * width)
            bias = symmetric_uniform(rngs.params(), (filters,), height * width)
            setattr(self, f"conv{index}", nnx.Dict(kernel=nnx.Param(kernel), bias=nnx.Param(bias)))
        features = filters * len(config.filter_heights)
        self.fc = linear(features, config.num_labels, rngs)

    def __call__(
        self,
        inputs: Int[AnyArray, "batch length"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch classes"]:
        """Return logits from token ids; ``dropout_rng`` None = no dropout."""
        del padded_length  # windows of padding are all alike, and the rows have kept one of them
        features = self.features(inputs)
        if dropout_rng is not None and self.config.dropout:
            features = dropout(features, self.config.dropout, dropout_rng)
        return features @ self.fc["kernel"][...] + self.fc["bias"][...]

    def features(self, input_ids: Int[AnyArray, "batch length"]) -> Float[Array, "batch features"]:
        """Return the pooled features, of heights × filters numbers."""
        config = self.config
        tallest, starts = max(config.filter_heights), None
        if config.mask_padding:
            # Every real token starts a window, and zeros stand after the text; an empty text has one window of zeros.
            lengths = real_lengths(input_ids, config.pad_id)
            starts = jnp.maximum(lengths, 1)
            input_ids = jnp.pad(input_ids, ((0, 0), (0, tallest)), constant_values=config.pad_id)
        missing = max(0, tallest - input_ids.shape[1])
        input_ids = jnp.pad(input_ids, ((0, 0), (0, missing)), constant_values=config.pad_id)
        embedded = self.embedding[...][input_ids]
        if starts is not None:
            real = jnp.arange(input_ids.shape[1])[None, :] < lengths[:, None]
            embedded = jnp.where(real[:, :, None], embedded, 0)
        pooled = []
        for index in range(len(config.filter_heights)):
            layer = getattr(self, f"conv{index}")
            pooled.append(max_over_time(embedded, layer["kernel"][...], layer["bias"][...], starts))
        return jnp.concatenate(pooled, axis=-1)
