"""Kim's CNN for many texts on a CPU, without convolutions: additions of what each token says to each filter.

A filter's response to a window is a sum over the window's tokens, and what a token adds hangs on the token and its
place in the window alone. It is computed once for every token that occurs; a response is then as many additions as the
filter is high, where the convolution multiplies whole embeddings. The result is the convolution's up to rounding.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from distill_jax.inference.token_lookup import TokenLookup
from distill_jax.students.cnn import CnnConfig
from distill_jax.students.params import Params

_LANES = 16  # filters are filled up to whole vector registers of float32


class WindowLookup(TokenLookup[CnnConfig]):
    """The CNN's; shares are [tokens, sum of heights, filters], a row for each place of each height's windows."""

    @staticmethod
    def width(config: CnnConfig) -> int:
        """Return how many numbers a token's shares are."""
        return sum(config.filter_heights) * _filled(config.filters)

    @staticmethod
    def token_shares(config: CnnConfig, params: Params, tokens: np.ndarray, count: int) -> Array:
        """Return the shares of the first ``count`` tokens; those of the others are zeros."""
        return _token_shares(params, tokens, count, config=config)

    def logits(self, index: np.ndarray) -> Array:
        """Return the logits of some of the texts, [len(index), classes]."""
        heights, length = self.config.filter_heights, self.length
        tokens, tallest = self.tokens.take(index), max(heights)
        lengths = tokens.lengths
        # Behind a text stand zeros, the row after the last token's; or else padding.
        masked = self.config.mask_padding
        behind = len(self.compaction.tokens) if masked else self.compaction.pad_id
        places = tokens.padded(length + tallest, behind)
        if masked:
            starts = np.maximum(lengths, 1)[:, None].repeat(len(heights), axis=1)
        else:  # a padded row has so many windows; those of padding alone are all alike, and one of them is enough
            starts = np.minimum(lengths[:, None] + 1, max(length, tallest) - np.array(heights) + 1)
        return _logits(self.params, self.shares, places, starts.astype(np.int32), config=self.config)


def _filled(filters: int) -> int:
    return -(-filters // _LANES) * _LANES


@partial(jax.jit, static_argnames=("config",))
def _token_shares(params: Params, tokens: Array, count: Array, *, config: CnnConfig) -> Array:
    """Return what the first ``count`` tokens add, [tokens, sum of heights, filters]; the others add nothing."""
    embedded = jnp.where((jnp.arange(len(tokens)) < count)[:, None], params["embedding"][tokens], 0)
    shares = [jnp.einsum("td,hdf->thf", embedded, params[f"conv{i}"]["kernel"]) for i in _heights(config)]
    return jnp.pad(jnp.concatenate(shares, axis=1), ((0, 0), (0, 0), (0, _filled(config.filters) - config.filters)))


def _heights(config: CnnConfig) -> range:
    return range(len(config.filter_heights))


@partial(jax.jit, static_argnames=("config",))
def _logits(params: Params, shares: Array, places: Array, starts: Array, *, config: CnnConfig) -> Array:
    """Return logits [batch, classes].

    The loop goes over the windows' starts and takes all texts of the batch at once: what is added up stays in the
    core's cache, and no response is ever written to memory.

    Args:
        params: the student's parameters.
        shares: [tokens, sum of heights, filters].
        places: int [batch, length + tallest height], rows of ``shares``.
        starts: int [batch, heights], how many windows of each text count, at least one.
        config: the student's shape.
    """

    def said(position: Array, row: int) -> Array:
        tokens = jax.lax.dynamic_index_in_dim(places, position, axis=1, keepdims=False)
        return shares[:, row].at[tokens].get(mode="promise_in_bounds")

    def look_at(start: Array, highest: list[Array]) -> list[Array]:
        found, row = [], 0
        for height, count, so_far in zip(config.filter_heights, starts.T, highest, strict=True):
            response = said(start, row)
            for place in range(1, height):
                response += said(start + place, row + place)
            row += height
            found.append(jnp.where((start < count)[:, None], jnp.maximum(so_far, response), so_far))
        return found

    nothing = jnp.full((len(places), shares.shape[2]), -jnp.inf, shares.dtype)
    highest = jax.lax.fori_loop(0, starts.max(), look_at, [nothing for _ in _heights(config)])
    pooled = [jax.nn.relu(highest[i][:, : config.filters] + params[f"conv{i}"]["bias"]) for i in _heights(config)]
    return jnp.concatenate(pooled, axis=-1) @ params["fc"]["kernel"] + params["fc"]["bias"]
