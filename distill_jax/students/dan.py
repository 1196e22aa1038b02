"""A deep averaging network over n-grams as a student: its options, recipes, and what the rest asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from distill_jax.options import Range
from distill_jax.recipes import BEST, BEST_DISTILLED, BEST_TRAINING, BIGRAMS, NOTEBOOK, SGD, Recipe
from distill_jax.students.config import BagConfig

if TYPE_CHECKING:
    import numpy as np
    from flax import nnx

    from distill_jax.conversion.onnx.linear import OnnxDan
    from distill_jax.inference.networks.dan import NumpyDan
    from distill_jax.packing.shrinker import Shrinker


@dataclasses.dataclass(frozen=True)
class DanConfig(BagConfig):
    """A bag of n-grams with one hidden layer (Iyyer et al. 2015; of n-grams: Ye et al. 2022, "Sparse distillation").

    It sees real tokens alone.
    """

    name: ClassVar = "dan"
    title: ClassVar = "DAN"
    table_name: ClassVar = "embeddings"
    frozen_padding: ClassVar = True
    embedding_kernels: ClassVar = ("hidden.kernel",)
    recipes: ClassVar = {
        NOTEBOOK: Recipe(BIGRAMS, {**SGD, "learning_rate": 0.1}),  # the notebook has none
        BEST: Recipe(
            {
                "ngrams": 2,
                "buckets": 65_536,
                "embedding_dim": 128,
                "hidden": 64,
                "ngram_dropout": 0.5,
                "length_power": 0.75,
            },
            {**SGD, **BEST_TRAINING, "learning_rate": 0.1},
            {**BEST_DISTILLED, "transfer_passes": 3},
        ),
    }

    hidden: Annotated[int, Range(1, 4_096)] = 64
    """Units of the ReLU layer."""
    ngram_dropout: Annotated[float, Range(0, 0.99)] = 0.0
    """Share of the n-grams that each text is read without in training; single tokens stay."""
    length_power: Annotated[float, Range(0, 1)] = 1.0
    """A text's sum is divided by this power of how many tokens and n-grams it has: 1, their mean; 0, their sum."""

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters."""
        from distill_jax.students.networks.dan import Dan

        return Dan(self, rngs=rngs)

    @property
    def tables(self) -> dict[str, int]:
        """The embeddings of tokens and buckets."""
        return {self.table_name: self.ids}

    def parameter_layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and the type of each parameter, without the network: a prediction needs no JAX."""
        shapes = {
            self.table_name: (self.ids, self.embedding_dim),
            "hidden.kernel": (self.embedding_dim, self.hidden),
            "hidden.bias": (self.hidden,),
            "output.kernel": (self.hidden, self.num_labels),
            "output.bias": (self.num_labels,),
        }
        return {name: (shape, "float32") for name, shape in shapes.items()}

    @property
    def dropped_ngrams(self) -> float:
        """The share of the n-grams that each text is read without in sparse steps."""
        return self.ngram_dropout

    def text_weights(self, counts: "np.ndarray", padded_length: int, dtype: Any) -> "np.ndarray":
        """Return what sums over texts are multiplied by, ``counts ** -length_power``, float [texts]."""
        del padded_length
        weights: np.ndarray = counts.clip(1).astype(dtype) ** -self.length_power
        return weights.astype(dtype)

    def takes_sparse_steps(self, optimizer: str) -> bool:
        """Whether a training step touches its tokens' rows alone (``sparse_sgd``)."""
        return optimizer == "sgd"

    @property
    def predicts_in_numpy(self) -> bool:
        """Whether NumPy is as fast as a compiled program: what is left of a text is a sum and a small product."""
        return True

    def numpy_network(self, params: Mapping[str, Any], padded_length: int) -> "NumpyDan":
        """Return the network in NumPy, from sums of what each id adds to the hidden layer."""
        from distill_jax.inference.networks.dan import NumpyDan

        del padded_length
        return NumpyDan.of(self, params)

    def shrinker(self) -> "type[Shrinker]":
        """Return how it is packed: its table by what the hidden layer sees of it."""
        from distill_jax.packing.embeddings import EmbeddingShrinker

        return EmbeddingShrinker

    def onnx_network(self) -> "type[OnnxDan]":
        """Return the bag and its hidden layer as nodes."""
        from distill_jax.conversion.onnx.linear import OnnxDan

        return OnnxDan
