"""The students: Kim's CNN, Tang's BiLSTM and the FastText linear model, as Flax NNX modules behind pure functions.

Nothing but this file, ``bilstm.py`` and ``layers.py`` knows NNX: a ``Student`` holds the module's graph, parameters are
a plain nested dict.
"""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from distill_jax.bilstm import BiLstm
from distill_jax.config import StudentConfig, StudentName
from distill_jax.layers import dropout, linear, real_lengths, symmetric_uniform
from distill_jax.max_over_time import max_over_time

Params = dict[str, Any]


class KimCnn(nnx.Module):
    """Kim's CNN (2014): embedding, filters of several heights, ReLU, maximum over time, dropout, linear layer."""

    def __init__(self, config: StudentConfig, *, rngs: nnx.Rngs) -> None:
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

    def __call__(self, input_ids: Array, dropout_rng: Array | None = None) -> Array:
        """Return logits [batch, classes]; ``dropout_rng`` None = no dropout."""
        features = self.features(input_ids)
        if dropout_rng is not None:
            features = dropout(features, self.config.dropout, dropout_rng)
        return features @ self.fc["kernel"][...] + self.fc["bias"][...]

    def features(self, input_ids: Array) -> Array:
        """Return the pooled features, [batch, heights × filters]."""
        config = self.config
        tallest, starts = max(config.filter_heights), None
        if config.pooling == "masked":
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


class FastText(nnx.Module):
    """The linear student (Joulin et al. 2016): the mean of the tokens' embeddings, then a linear layer.

    The pad token's row is zero and stays so.
    """

    def __init__(self, config: StudentConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.embedding_dim
        table = jax.random.uniform(rngs.params(), (config.vocab_size, width), maxval=1 / width)
        self.embeddings = nnx.Param(table.at[config.pad_id].set(0))
        bias = symmetric_uniform(rngs.params(), (config.num_labels,), width)
        self.output = nnx.Dict(kernel=nnx.Param(jnp.zeros((width, config.num_labels))), bias=nnx.Param(bias))

    def __call__(self, input_ids: Array, padded_length: int | None = None) -> Array:
        """Return logits [batch, classes]; ``padded_length`` is the divisor of ``pooling="padded"`` for cut rows."""
        real = input_ids != self.config.pad_id
        table = self.embeddings[...]
        # One weight per token, so that the sum over a text is a matrix product, as in training.
        weights = real.astype(table.dtype) / self.divisors(real, padded_length)[:, None].astype(table.dtype)
        pooled = jnp.einsum("bl,bld->bd", weights, table[input_ids])
        return pooled @ self.output["kernel"][...] + self.output["bias"][...]

    def divisors(self, real: Array, padded_length: int | None) -> Array:
        """Return what each row's sum is divided by, int [batch], from the mask of real tokens [batch, length]."""
        if self.config.pooling == "padded":
            return jnp.full(real.shape[0], padded_length or real.shape[1])
        return jnp.maximum(real.sum(axis=1), 1)


_MODULES: dict[str, type[nnx.Module]] = {"cnn": KimCnn, "fasttext": FastText, "bilstm": BiLstm}


@dataclasses.dataclass(frozen=True)
class Student:
    """A student as pure functions of its parameters (a nested dict of arrays)."""

    config: StudentConfig

    @cached_property
    def _split(self) -> tuple[Any, Any]:
        module = _MODULES[self.config.name]
        return nnx.split(nnx.eval_shape(lambda: module(self.config, rngs=nnx.Rngs(0))))

    def shapes(self) -> Params:
        """Return the parameters' shapes and types, without making any."""
        return nnx.to_pure_dict(self._split[1])

    @property
    def table_name(self) -> str:
        """The name of the embedding table among the parameters (torch's names)."""
        return "embeddings" if self.config.name == "fasttext" else "embedding"

    def init(self, seed: int) -> Params:
        """Return new parameters from the notebook's distributions (NumPy arrays); the same for the same seed."""
        module = _MODULES[self.config.name](self.config, rngs=nnx.Rngs(params=seed))
        return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.split(module)[1]))

    def logits(self, params: Params, input_ids: Array | np.ndarray, *, padded_length: int | None = None) -> Array:
        """Return logits [batch, classes] from token ids [batch, length], without dropout.

        Args:
            params: the student's parameters.
            input_ids: int [batch, length], padded with ``pad_id`` on the right.
            padded_length: with ``pooling="padded"``, the length that the rows stand for, where padding was cut off.
        """
        ids = jnp.asarray(input_ids)
        module = nnx.merge(self._split[0], params)
        return module(ids, padded_length) if self.config.name == "fasttext" else module(ids)

    def training_logits(self, params: Params, input_ids: Array, padded_length: int, dropout_rng: Array) -> Array:
        """Return logits as in training: with dropout for the student that has it."""
        if self.config.name == "fasttext" or self.config.dropout == 0:
            return self.logits(params, input_ids, padded_length=padded_length)
        return nnx.merge(self._split[0], params)(input_ids, dropout_rng)

    @property
    def cut_margin(self) -> int:
        """How many padding tokens a cut row must keep after its last real token.

        Windows of padding alone all respond alike, so for the CNN one whole window of the tallest filter stands for
        all of them.
        """
        if self.config.name == "cnn" and self.config.pooling == "padded":
            return max(self.config.filter_heights)
        return 0


def build_student(name: StudentName, *, vocab_size: int, num_labels: int, pad_id: int = 0, **options: Any) -> Student:
    """Return a student; ``options`` are the other fields of ``StudentConfig`` (``embedding_dim``, ``dropout``, …).

    Raises:
        InputError: an option is out of range.
    """
    return Student(StudentConfig(name, vocab_size=vocab_size, num_labels=num_labels, pad_id=pad_id, **options))


def parameter_count(params: Params) -> int:
    """Return the number of numbers among the parameters."""
    return sum(int(np.prod(np.shape(leaf))) for leaf in jax.tree.leaves(params))
