"""The BiLSTM for many texts on a CPU: what a token adds to the gates is computed once for every token that occurs.

The loop over positions then looks it up. Nothing of [length, batch, gates] is written to memory and read again, which
takes longer than the recurrence itself. The numbers are the module's own.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from distill_jax.inference.token_lookup import TokenLookup
from distill_jax.students.bilstm import BiLstmConfig
from distill_jax.students.networks.bilstm import DIRECTIONS, lstm_step, reversed_texts
from distill_jax.students.params import Params


class GateLookup(TokenLookup[BiLstmConfig]):
    """The BiLSTM's; shares are, for each direction, [tokens, 4 × hidden], the biases included."""

    @staticmethod
    def width(config: BiLstmConfig) -> int:
        """Return how many numbers a token's shares are."""
        return len(DIRECTIONS) * 4 * config.hidden

    @staticmethod
    def token_shares(config: BiLstmConfig, params: Params, tokens: np.ndarray, count: int) -> tuple[Array, ...]:
        """Return the shares; no text has the tokens after the first ``count``."""
        del config, count
        return _token_shares(params, tokens)

    def logits(self, index: np.ndarray) -> Array:
        """Return the logits of some of the texts, [len(index), classes]."""
        tokens = self.tokens.take(index)
        places, lengths = tokens.padded(self.length, self.compaction.pad_id), tokens.lengths.astype(np.int32)
        return _logits(self.params, self.shares, places, lengths, config=self.config)


@jax.jit
def _token_shares(params: Params, tokens: Array) -> tuple[Array, ...]:
    embedded, layers = params["embedding"][tokens], [params[direction] for direction in DIRECTIONS]
    return tuple(embedded @ x["input_kernel"] + (x["input_bias"] + x["state_bias"]) for x in layers)


@partial(jax.jit, static_argnames=("config",))
def _logits(params: Params, shares: tuple[Array, ...], places: Array, lengths: Array, *, config: BiLstmConfig) -> Array:
    """Return logits [batch, classes] of texts [batch, length], given as rows of ``shares``."""
    readings = (places, reversed_texts(places, lengths))

    def step(position: Array, carry: list[tuple[Array, ...]]) -> list[tuple[Array, ...]]:
        real, after = (position < lengths)[:, None], list[tuple[Array, ...]]()
        for direction, reading, share, (before, cell, pooled) in zip(DIRECTIONS, readings, shares, carry, strict=True):
            tokens = jax.lax.dynamic_index_in_dim(reading, position, axis=1, keepdims=False)
            added = share.at[tokens].get(mode="promise_in_bounds")
            state, new_cell = lstm_step(added + before @ params[direction]["state_kernel"], cell)
            seen = jnp.maximum(pooled, state) if config.states == "max" else state
            after.append((state, new_cell, jnp.where(real, seen, pooled)))
        return after

    zeros = jnp.zeros((len(places), config.hidden), shares[0].dtype)
    start = (zeros, zeros, jnp.full_like(zeros, -jnp.inf))
    pooled = jnp.concatenate([last for *_, last in jax.lax.fori_loop(0, lengths.max(), step, [start, start])], axis=-1)
    features = jnp.where(lengths[:, None] > 0, pooled, 0)
    features = jax.nn.relu(features @ params["dense"]["kernel"] + params["dense"]["bias"])
    return features @ params["fc"]["kernel"] + params["fc"]["bias"]
