"""The ensemble of Kim's CNN and a bag of n-grams."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from distill_jax.arrays import AnyArray
from distill_jax.students.ensemble import EnsembleConfig
from distill_jax.students.networks.cnn import KimCnn


class Ensemble(KimCnn):
    """Kim's CNN and a bag of words and n-grams, whose logits are added up.

    Each token and each n-gram of the bag has a number for each class. The idea is that of spaCy's text classifier
    ``TextCatEnsemble``: word order in the bag's reach is cheap there, and the network need not learn it.
    """

    def __init__(self, config: EnsembleConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.bag = nnx.Param(jnp.zeros((config.ids, config.num_labels)))

    def __call__(
        self,
        inputs: Int[AnyArray, "batch length *ngrams"],
        padded_length: int | None = None,
        dropout_rng: PRNGKeyArray | None = None,
    ) -> Float[Array, "batch classes"]:
        """Return logits; ``dropout_rng`` None = no dropout. The bag has none."""
        tokens = inputs if inputs.ndim == 2 else inputs[:, :, 0]
        features = inputs.reshape(inputs.shape[0], -1)
        real = features != self.config.pad_id
        scores = jnp.where(real[:, :, None], self.bag[...][features], 0).sum(axis=1)
        # Divided by the root of their number, so that the bag's say neither grows nor fades with the text's length.
        scores = scores / jnp.sqrt(jnp.maximum(real.sum(axis=1), 1))[:, None].astype(scores.dtype)
        return super().__call__(tokens, padded_length, dropout_rng) + scores
