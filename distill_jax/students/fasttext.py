"""The linear model of fastText as a student: its options, recipes, and what the rest of the package asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from distill_jax.errors import InputError
from distill_jax.recipes import BEST, BEST_DISTILLED, BEST_TRAINING, BIGRAMS, NOTEBOOK, SGD, SGD_STEPS, Recipe
from distill_jax.students.config import BagConfig

if TYPE_CHECKING:
    import numpy as np
    from flax import nnx

    from distill_jax.conversion.onnx.linear import OnnxLinear
    from distill_jax.inference.token_scores import TokenScores
    from distill_jax.packing.shrinker import Shrinker
    from distill_jax.students.torch_state import TorchLayout


@dataclasses.dataclass(frozen=True)
class FastTextConfig(BagConfig):
    """The linear student (Joulin et al. 2016)."""

    name: ClassVar = "fasttext"
    title: ClassVar = "Linear"
    table_name: ClassVar = "embeddings"
    frozen_padding: ClassVar = True  # torch's padding_idx
    recipes: ClassVar = {
        NOTEBOOK: Recipe({}, {**SGD, "learning_rate_decay": 0.5}),
        BEST: Recipe(
            {**BIGRAMS, "mask_padding": True, "embedding_dim": 8, "buckets": 524_288},
            {**SGD, **BEST_TRAINING, "learning_rate": 0.5},
            {**BEST_DISTILLED, "transfer_passes": 3, "alpha": 0.3},
            least_steps=SGD_STEPS,
        ),
    }

    mask_padding: bool = False
    """Average real tokens alone, so that a text gets the same logits alone, padded further, or in any batch; without
    it, the divisor is the padded length, as in the notebook."""
    pooling: Literal["mean", "mean-max-min"] = "mean"
    """What a text's features are: its embeddings' mean; or beside it the largest and smallest of each number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mask_padding and (self.ngrams > 1 or self.pooling != "mean"):
            raise InputError(
                "--no-mask-padding is the notebook's mean over padding: expected --mask-padding with n-grams or "
                f"--pooling mean-max-min, got --ngrams {self.ngrams} --pooling {self.pooling}"
            )

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters."""
        from distill_jax.students.networks.fasttext import FastText

        return FastText(self, rngs=rngs)

    @property
    def tables(self) -> dict[str, int]:
        """The embeddings of tokens and buckets."""
        return {self.table_name: self.ids}

    @property
    def is_linear(self) -> bool:
        """Whether logits are a sum over tokens: a maximum is none."""
        return self.pooling == "mean"

    def text_weights(self, counts: "np.ndarray", padded_length: int, dtype: Any) -> "np.ndarray":
        """Return what sums over texts are multiplied by: by ``mask_padding``, means of real tokens or of all."""
        return super().text_weights(counts if self.mask_padding else counts * 0 + padded_length, padded_length, dtype)

    @property
    def numbers_depend_on(self) -> tuple[str, ...]:
        """A sum of a text's vectors is computed in the same order on every processor, however many there are."""
        return ("device", "jax", "environment") if self.is_linear else super().numbers_depend_on

    def parameter_layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and the type of each parameter, without the network: a linear prediction needs no JAX."""
        features = self.embedding_dim * (1 if self.is_linear else 3)
        shapes = {
            self.table_name: (self.ids, self.embedding_dim),
            "output.kernel": (features, self.num_labels),
            "output.bias": (self.num_labels,),
        }
        return {name: (shape, "float32") for name, shape in shapes.items()}

    def token_scores(self, params: Mapping[str, Any], padded_length: int) -> "TokenScores | None":
        """Return what each token adds to each class's logit; None with ``mean-max-min``."""
        from distill_jax.inference.token_scores import TokenScores

        return TokenScores.of(self, params, padded_length) if self.is_linear else None

    def shrinker(self) -> "type[Shrinker] | None":
        """Return how it is packed: by its features; None with ``mean-max-min``."""
        from distill_jax.packing.linear import LinearShrinker

        return LinearShrinker if self.is_linear else None

    def onnx_network(self) -> "type[OnnxLinear] | None":
        """Return the bag as nodes; None with ``mean-max-min``."""
        from distill_jax.conversion.onnx.linear import OnnxLinear

        return OnnxLinear if self.is_linear else None

    @classmethod
    def torch_layout(cls) -> "TorchLayout":
        """Return the names and shapes of the notebook's linear model."""
        from distill_jax.students.torch_state import FastTextLayout

        return FastTextLayout()
