"""Kim's CNN for many texts on a CPU, without convolutions: additions of what each token says to each filter.

A filter's response to a window is a sum over the window's tokens, and what a token adds hangs on the token and its
place in the window alone. It is computed once for every token that occurs; a response is then as many additions as the
filter is high, where the convolution multiplies whole embeddings. The result is the convolution's up to rounding.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from distill_jax.config import StudentConfig
from distill_jax.students import Params, Student

_FEWEST_TOKENS = 4096  # so many in all texts together, or the convolution is as fast
_MOST_BYTES = 1 << 28  # of the table of shares; it is several times larger than the embeddings
_LANES = 16  # filters are filled up to whole vector registers of float32


@dataclasses.dataclass(frozen=True)
class WindowLookup:
    """Texts and what their tokens say to the filters.

    Attributes:
        config: the CNN's shape.
        params: its parameters.
        input_ids: int32 [n, length], the texts.
        lengths: int [n], the position after each text's last token that is not padding.
        shares: [tokens, sum of heights, filters], what a token adds at each place of each height's windows.
        place_of: int32 [vocab_size], each token's row of ``shares``.
        behind: the row for the places behind a text.
    """

    config: StudentConfig
    params: Params
    input_ids: np.ndarray
    lengths: np.ndarray
    shares: Array
    place_of: np.ndarray
    behind: int

    @classmethod
    def of(cls, student: Student, params: Params, input_ids: np.ndarray, lengths: np.ndarray) -> "WindowLookup | None":
        """Look a student's tokens up; None where the convolution is the better way, or the only one.

        Args:
            student: any student.
            params: its parameters.
            input_ids: int32 [n, length].
            lengths: int [n], the position after each text's last token that is not padding.
        """
        config, real = student.config, int(lengths.sum())
        if config.name != "cnn" or jax.default_backend() != "cpu" or real < _FEWEST_TOKENS:
            return None
        occurs = np.zeros(config.vocab_size, bool)
        occurs[input_ids] = True
        occurs[config.pad_id] = True
        tokens = np.flatnonzero(occurs)
        # At least one row more, of zeros: what stands behind a text that ends where its tokens end. Powers of two, so
        # that few programs are compiled.
        nothing, rows = len(tokens), 1 << len(tokens).bit_length()
        if 4 * nothing > 3 * real or 4 * rows * sum(config.filter_heights) * _filled(config.filters) > _MOST_BYTES:
            return None
        place_of = np.zeros(config.vocab_size, np.int32)
        place_of[tokens] = np.arange(len(tokens))
        behind = nothing if config.pooling == "masked" else int(place_of[config.pad_id])
        kept = np.zeros(rows, np.int32)
        kept[:nothing] = tokens
        return cls(
            config, params, input_ids, lengths, _token_shares(params, kept, nothing, config=config), place_of, behind
        )

    def logits(self, index: np.ndarray) -> Array:
        """Return the logits of some of the texts, [len(index), classes]."""
        heights, length = self.config.filter_heights, self.input_ids.shape[1]
        lengths, tallest = self.lengths[index], max(heights)
        places = np.full((len(index), length + tallest), self.behind, np.int32)
        inside = np.arange(length) < lengths[:, None]
        places[:, :length][inside] = self.place_of[self.input_ids[index]][inside]
        if self.config.pooling == "masked":
            starts = np.maximum(lengths, 1)[:, None].repeat(len(heights), axis=1)
        else:  # a padded row has so many windows; those of padding alone are all alike, and one of them is enough
            starts = np.minimum(lengths[:, None] + 1, max(length, tallest) - np.array(heights) + 1)
        return _logits(self.params, self.shares, places, starts.astype(np.int32), config=self.config)


def _filled(filters: int) -> int:
    return -(-filters // _LANES) * _LANES


@partial(jax.jit, static_argnames=("config",))
def _token_shares(params: Params, tokens: Array, count: Array, *, config: StudentConfig) -> Array:
    """Return what the first ``count`` tokens add, [tokens, sum of heights, filters]; the others add nothing."""
    embedded = jnp.where((jnp.arange(len(tokens)) < count)[:, None], params["embedding"][tokens], 0)
    shares = [jnp.einsum("td,hdf->thf", embedded, params[f"conv{i}"]["kernel"]) for i in _heights(config)]
    return jnp.pad(jnp.concatenate(shares, axis=1), ((0, 0), (0, 0), (0, _filled(config.filters) - config.filters)))


def _heights(config: StudentConfig) -> range:
    return range(len(config.filter_heights))


@partial(jax.jit, static_argnames=("config",))
def _logits(params: Params, shares: Array, places: Array, starts: Array, *, config: StudentConfig) -> Array:
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
