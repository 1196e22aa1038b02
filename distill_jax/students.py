"""The students as pure functions of their parameters: Kim's CNN, the linear model, Tang's BiLSTM, the ensemble.

Nothing but the modules' own files knows NNX: a ``Student`` holds a module's graph, parameters are a plain nested dict.
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
from distill_jax.ensemble import Ensemble
from distill_jax.fasttext import FastText
from distill_jax.kim_cnn import KimCnn
from distill_jax.ngrams import hashed_ngrams

Params = dict[str, Any]

_MODULES: dict[str, type[nnx.Module]] = {"cnn": KimCnn, "fasttext": FastText, "bilstm": BiLstm, "ensemble": Ensemble}


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
    def is_linear(self) -> bool:
        """Whether the logits are linear in the table's rows: a sum over tokens of what each says for each class."""
        return self.config.name == "fasttext" and self.config.pooling != "mean-max-min"

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
