"""The students: Kim's CNN, the FastText linear model and their ensemble, as Flax NNX modules behind pure functions.

Nothing outside this file knows NNX: a ``Student`` holds the module's graph, parameters are a plain nested dict.
"""

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from distill_jax.config import StudentConfig, StudentName
from distill_jax.max_over_time import max_over_time
from distill_jax.ngrams import hashed_ngrams

Params = dict[str, Any]


def _symmetric_uniform(key: Array, shape: tuple[int, ...], fan_in: int) -> Array:
    """Return torch's default for linear and convolution layers: U(−1/√fan_in, 1/√fan_in)."""
    bound = fan_in**-0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


class KimCnn(nnx.Module):
    """Kim's CNN (2014): embedding, filters of several heights, ReLU, maximum over time, dropout, linear layer."""

    def __init__(self, config: StudentConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width, filters = config.embedding_dim, config.filters
        table = jax.random.normal(rngs.params(), (config.vocab_size, width))
        self.embedding = nnx.Param(table.at[config.pad_id].set(0))
        for index, height in enumerate(config.filter_heights):
            kernel = _symmetric_uniform(rngs.params(), (height, width, filters), height * width)
            bias = _symmetric_uniform(rngs.params(), (filters,), height * width)
            setattr(self, f"conv{index}", nnx.Dict(kernel=nnx.Param(kernel), bias=nnx.Param(bias)))
        features = filters * len(config.filter_heights)
        kernel = _symmetric_uniform(rngs.params(), (features, config.num_labels), features)
        bias = _symmetric_uniform(rngs.params(), (config.num_labels,), features)
        self.fc = nnx.Dict(kernel=nnx.Param(kernel), bias=nnx.Param(bias))

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

    With n-grams, their buckets' embeddings are averaged too. The pad token's row is zero and stays so.
    """

    def __init__(self, config: StudentConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.embedding_dim
        table = jax.random.uniform(rngs.params(), (config.vocab_size + config.buckets, width), maxval=1 / width)
        self.embeddings = nnx.Param(table.at[config.pad_id].set(0))
        bias = _symmetric_uniform(rngs.params(), (config.num_labels,), width)
        features = width * (3 if config.pooling == "mean-max-min" else 1)
        self.output = nnx.Dict(kernel=nnx.Param(jnp.zeros((features, config.num_labels))), bias=nnx.Param(bias))

    def __call__(self, inputs: Array, padded_length: int | None = None) -> Array:
        """Return logits [batch, classes]; ``padded_length`` is the divisor of ``pooling="padded"`` for cut rows."""
        input_ids = inputs.reshape(inputs.shape[0], -1)
        real = input_ids != self.config.pad_id
        table = self.embeddings[...]
        # One weight per token, so that the sum over a text is a matrix product, as in training.
        weights = real.astype(table.dtype) / self.divisors(real, padded_length)[:, None].astype(table.dtype)
        rows = table[input_ids]
        pooled = jnp.einsum("bl,bld->bd", weights, rows)
        if self.config.pooling == "mean-max-min":
            pooled = jnp.concatenate([pooled, _max_of_real(rows, real), -_max_of_real(-rows, real)], axis=1)
        return pooled @ self.output["kernel"][...] + self.output["bias"][...]

    def divisors(self, real: Array, padded_length: int | None) -> Array:
        """Return what each row's sum is divided by, int [batch], from the mask of real tokens [batch, length]."""
        if self.config.pooling == "padded":
            return jnp.full(real.shape[0], padded_length or real.shape[1])
        return jnp.maximum(real.sum(axis=1), 1)


def _max_of_real(rows: Array, real: Array) -> Array:
    """Return the largest of each number over the real tokens, [batch, dim]; 0 for a text without any."""
    largest = jnp.where(real[:, :, None], rows, -jnp.inf).max(axis=1, initial=-jnp.inf)
    return jnp.where(real.any(axis=1)[:, None], largest, 0)


class Ensemble(KimCnn):
    """Kim's CNN and a bag of words and n-grams, whose logits are added up.

    Each token and each n-gram of the bag has a number for each class. The idea is that of spaCy's text classifier
    ``TextCatEnsemble``: word order in the bag's reach is cheap there, and the network need not learn it.
    """

    def __init__(self, config: StudentConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.bag = nnx.Param(jnp.zeros((config.vocab_size + config.buckets, config.num_labels)))

    def __call__(self, inputs: Array, dropout_rng: Array | None = None) -> Array:
        """Return logits [batch, classes]; ``dropout_rng`` None = no dropout. The bag has none."""
        tokens = inputs if inputs.ndim == 2 else inputs[:, :, 0]
        features = inputs.reshape(inputs.shape[0], -1)
        real = features != self.config.pad_id
        scores = jnp.where(real[:, :, None], self.bag[...][features], 0).sum(axis=1)
        # Divided by the root of their number, so that the bag's say neither grows nor fades with the text's length.
        scores = scores / jnp.sqrt(jnp.maximum(real.sum(axis=1), 1))[:, None].astype(scores.dtype)
        return super().__call__(tokens, dropout_rng) + scores


def dropout(features: Array, rate: float, rng: Array) -> Array:
    """Return ``features`` with a share ``rate`` of them set to zero and the others divided by ``1 − rate``."""
    kept = jax.random.bernoulli(rng, 1 - rate, features.shape)
    return jnp.where(kept, features / (1 - rate), 0)


def real_lengths(input_ids: Array, pad_id: int) -> Array:
    """Return one more than the position of each row's last token that is not padding, int [batch]; 0 = none."""
    positions = jnp.arange(1, input_ids.shape[1] + 1)
    return jnp.where(input_ids != pad_id, positions, 0).max(axis=1, initial=0)


_MODULES: dict[str, type[nnx.Module]] = {"cnn": KimCnn, "fasttext": FastText, "ensemble": Ensemble}


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

    @property
    def tables(self) -> dict[str, int]:
        """The parameters that have a row for each id, by name, with how many ids that is, counted from 0."""
        config = self.config
        everything = config.vocab_size + config.buckets
        if config.name == "fasttext":
            return {self.table_name: everything}
        return {self.table_name: config.vocab_size, **({"bag": everything} if config.name == "ensemble" else {})}

    def inputs(self, input_ids: np.ndarray) -> np.ndarray:
        """Return what the student is fed for padded token ids [n, length]: these, or [n, length, ngrams] with n-grams.

        Ids of n-grams follow those of the tokens (``ngrams.hashed_ngrams``). Inputs are returned as they are.
        """
        config = self.config
        if config.ngrams == 1 or input_ids.ndim == 3:
            return input_ids
        return hashed_ngrams(
            input_ids,
            config.ngrams,
            vocab_size=config.vocab_size,
            buckets=config.buckets,
            pad_id=config.pad_id,
        )

    def compacted(self, tokens: np.ndarray, pad_id: int) -> "Student":
        """Return the student over some of the ids: ``tokens`` [kept], ascending; ``pad_id`` is the place among them."""
        words = int((tokens < self.config.vocab_size).sum())
        return Student(dataclasses.replace(self.config, vocab_size=words, buckets=len(tokens) - words, pad_id=pad_id))

    def init(self, seed: int) -> Params:
        """Return new parameters from the notebook's distributions (NumPy arrays); the same for the same seed."""
        module = _MODULES[self.config.name](self.config, rngs=nnx.Rngs(params=seed))
        return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.split(module)[1]))

    def logits(self, params: Params, input_ids: Array | np.ndarray, *, padded_length: int | None = None) -> Array:
        """Return logits [batch, classes] from token ids [batch, length], without dropout.

        Args:
            params: the student's parameters.
            input_ids: int [batch, length], padded with ``pad_id`` on the right; of a student with n-grams what
                ``inputs`` makes of them, [batch, length, ngrams].
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
