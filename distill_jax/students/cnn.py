"""Kim's CNN as a student: its options, recipes, and what the rest of the package asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from distill_jax.options import Range
from distill_jax.recipes import ADAM, ADAM_STEPS, BEST, BEST_ADAM, BEST_DISTILLED, CONVOLUTIONS, NOTEBOOK, Recipe
from distill_jax.students.config import StudentConfig

if TYPE_CHECKING:
    from flax import nnx

    from distill_jax.conversion.onnx.cnn import OnnxCnn
    from distill_jax.inference.network import Network
    from distill_jax.inference.token_lookup import TokenLookup
    from distill_jax.packing.shrinker import Shrinker
    from distill_jax.students.torch_state import TorchLayout


@dataclasses.dataclass(frozen=True)
class CnnConfig(StudentConfig):
    """Kim's convolutional network (Kim 2014)."""

    name: ClassVar = "cnn"
    title: ClassVar = "CNN"
    recipes: ClassVar = {
        NOTEBOOK: Recipe({}, ADAM),
        BEST: Recipe({**CONVOLUTIONS, "mask_padding": True}, BEST_ADAM, BEST_DISTILLED, least_steps=ADAM_STEPS),
    }

    filter_heights: Annotated[tuple[int, ...], Range(1, 1024)] = (3, 4, 5)
    """Heights of the filters, in tokens."""
    filters: Annotated[int, Range(1, 65_536)] = 100
    """Filters of each height."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.5
    """Share of the pooled features set to zero in training."""
    mask_padding: bool = False
    """See real tokens alone, so that a text gets the same logits alone, padded further, or in any batch; without it,
    padding counts as text, as in the notebook."""

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters."""
        from distill_jax.students.networks.cnn import KimCnn

        return KimCnn(self, rngs=rngs)

    @property
    def cut_margin(self) -> int:
        """How many padding tokens a cut row must keep: one window of them stands for all, which respond alike."""
        return 0 if self.mask_padding else max(self.filter_heights)

    def parameter_layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and the type of each parameter, without the network: reading one needs no JAX."""
        shapes: dict[str, tuple[int, ...]] = {}
        for index, height in enumerate(self.filter_heights):
            shapes[f"conv{index}.kernel"] = (height, self.embedding_dim, self.filters)
            shapes[f"conv{index}.bias"] = (self.filters,)
        shapes[self.table_name] = (self.vocab_size, self.embedding_dim)
        shapes["fc.kernel"] = (self.filters * len(self.filter_heights), self.num_labels)
        shapes["fc.bias"] = (self.num_labels,)
        return {name: (shape, "float32") for name, shape in shapes.items()}

    @property
    def embedding_kernels(self) -> tuple[str, ...]:
        """The layers that see the embeddings, each [..., dim, outputs]."""
        return tuple(f"conv{index}.kernel" for index in range(len(self.filter_heights)))

    def shrinker(self) -> "type[Shrinker]":
        """Return how it is packed: its table by what these layers see of it."""
        from distill_jax.packing.embeddings import EmbeddingShrinker

        return EmbeddingShrinker

    def numpy_network(self, params: Mapping[str, Any], padded_length: int) -> "Network":
        """Return the CNN in NumPy."""
        from distill_jax.inference.networks.cnn import NumpyCnn

        return NumpyCnn.of(self, params, padded_length)

    def lookup(self) -> "type[TokenLookup] | None":
        """Return the lookup of what each token says to each filter."""
        from distill_jax.inference.window_lookup import WindowLookup

        return WindowLookup

    def onnx_network(self) -> "type[OnnxCnn]":
        """Return the convolutions as nodes."""
        from distill_jax.conversion.onnx.cnn import OnnxCnn

        return OnnxCnn

    @classmethod
    def torch_layout(cls) -> "TorchLayout":
        """Return the names and shapes of the notebook's CNN."""
        from distill_jax.students.torch_state import CnnLayout

        return CnnLayout()
