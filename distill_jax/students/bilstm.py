"""Tang's BiLSTM as a student: its options, recipes, and what the rest of the package asks of it."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from distill_jax.options import Range
from distill_jax.recipes import ADAM, ADAM_STEPS, BEST, BEST_ADAM, BEST_DISTILLED, NOTEBOOK, Recipe
from distill_jax.students.config import StudentConfig

if TYPE_CHECKING:
    from flax import nnx

    from distill_jax.conversion.onnx.bilstm import OnnxBiLstm
    from distill_jax.inference.network import Network
    from distill_jax.inference.token_lookup import TokenLookup
    from distill_jax.packing.shrinker import Shrinker
    from distill_jax.students.torch_state import TorchLayout


States = Literal["max", "last"]


@dataclasses.dataclass(frozen=True)
class BiLstmConfig(StudentConfig):
    """Tang's bidirectional LSTM (Tang et al. 2019), which sees real tokens alone."""

    name: ClassVar = "bilstm"
    title: ClassVar = "BiLSTM"
    is_loop: ClassVar = True
    recipes: ClassVar = {
        NOTEBOOK: Recipe({}, ADAM),  # the notebook has none; it takes what the CNN has
        BEST: Recipe(
            {"embedding_dim": 96, "hidden": 96, "dense": 100, "dropout": 0.1},
            {**BEST_ADAM, "learning_rate": 3.3e-3},
            # One pass: it is the slowest, and the one that gains most from each text.
            {**BEST_DISTILLED, "transfer_passes": 1, "hint_weight": 0.3},
            least_steps=ADAM_STEPS,
        ),
    }

    hidden: Annotated[int, Range(1, 65_536)] = 150
    """The LSTM's units in each direction."""
    dense: Annotated[int, Range(1, 65_536)] = 200
    """Units of the ReLU layer."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.5
    """Share of the ReLU layer's units set to zero in training."""
    states: States = "max"
    """What the features are: max, the states' maximum over time; last, each direction's last state (the paper's)."""

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters."""
        from distill_jax.students.networks.bilstm import BiLstm

        return BiLstm(self, rngs=rngs)

    def parameter_layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and the type of each parameter, without the network: reading one needs no JAX."""
        gates = 4 * self.hidden
        shapes: dict[str, tuple[int, ...]] = {self.table_name: (self.vocab_size, self.embedding_dim)}
        for direction in ("forward", "backward"):
            shapes[f"{direction}.input_kernel"] = (self.embedding_dim, gates)
            shapes[f"{direction}.state_kernel"] = (self.hidden, gates)
            shapes[f"{direction}.input_bias"] = shapes[f"{direction}.state_bias"] = (gates,)
        shapes["dense.kernel"], shapes["dense.bias"] = (2 * self.hidden, self.dense), (self.dense,)
        shapes["fc.kernel"], shapes["fc.bias"] = (self.dense, self.num_labels), (self.num_labels,)
        return {name: (shape, "float32") for name, shape in shapes.items()}

    @property
    def token_state_width(self) -> int:
        """Both directions' states."""
        return 2 * self.hidden

    @property
    def embedding_kernels(self) -> tuple[str, ...]:
        """The layers that see the embeddings, each [..., dim, outputs]."""
        return ("forward.input_kernel", "backward.input_kernel")

    def shrinker(self) -> "type[Shrinker]":
        """Return how it is packed: its table by what these layers see of it."""
        from distill_jax.packing.embeddings import EmbeddingShrinker

        return EmbeddingShrinker

    def numpy_network(self, params: Mapping[str, Any], padded_length: int) -> "Network":
        """Return the BiLSTM in NumPy."""
        from distill_jax.inference.networks.bilstm import NumpyBiLstm

        del padded_length
        return NumpyBiLstm.of(self, params)

    def lookup(self) -> "type[TokenLookup] | None":
        """Return the lookup of what each token adds to the gates."""
        from distill_jax.inference.gate_lookup import GateLookup

        return GateLookup

    def onnx_network(self) -> "type[OnnxBiLstm]":
        """Return ONNX's own LSTM."""
        from distill_jax.conversion.onnx.bilstm import OnnxBiLstm

        return OnnxBiLstm

    @classmethod
    def torch_layout(cls) -> "TorchLayout":
        """Return the names and shapes of an ``Embedding``, an ``LSTM`` and two ``Linear`` layers."""
        from distill_jax.students.torch_state import BiLstmLayout

        return BiLstmLayout()
