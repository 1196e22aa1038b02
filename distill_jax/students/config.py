"""The students' seam: what a student is, and all that the rest of the package asks of it.

Everything that imports JAX or NumPy is imported when it is asked for, so that a command line's help does without them,
and a linear prediction without JAX.
"""

import abc
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from distill_jax.errors import InputError, require_range
from distill_jax.extras import require_packages
from distill_jax.options import NoOption, Range, check_fields, option_of
from distill_jax.recipes import Recipe
from distill_jax.tasks import AS_THEY_ARE, SINGLE_LABEL_NAME

if TYPE_CHECKING:
    import numpy as np
    from flax import nnx
    from jax import Array

    from distill_jax.conversion.onnx.network import OnnxNetwork
    from distill_jax.data.ragged import Ragged
    from distill_jax.inference.network import Network
    from distill_jax.inference.token_lookup import TokenLookup
    from distill_jax.inference.token_scores import TokenScores
    from distill_jax.packing.shrinker import Shrinker
    from distill_jax.students.torch_state import TorchLayout
    from distill_jax.tasks.task import Task


LARGEST_ID = 2**31 - 1
_LONGEST_NGRAM = 5
_SIZES = ("vocab_size", "num_labels", "pad_id", "task", "standardisation")  # the export's, not the user's to choose


@dataclasses.dataclass(frozen=True)
class StudentConfig(abc.ABC):
    """A student's architecture: its fields are its options, its methods what makes it different from the others.

    A further student is a subclass, its own file, and a line ``registry.register(…)``. Whatever can be left out has an
    answer here that is right for a network over padded rows of token ids.

    Attributes:
        name: what the command line and ``config.json`` call it.
        title: what histories and reports call it.
        recipes: each recipe's name → the recipe.
        table_name: the embedding table's name among the parameters.
        frozen_padding: the pad token's embedding never moves.
        is_loop: its forward pass is a loop over positions, which XLA on the CPU runs on one core.
        vocab_size: rows of the embedding table.
        num_labels: classes.
        pad_id: the token id that fills short texts up.
        task: the name of what rows are labelled with.
        standardisation: of numbers to predict, the training split's mean and deviation (``Task.outputs``).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    recipes: ClassVar[Mapping[str, Recipe]]
    table_name: ClassVar[str] = "embedding"
    frozen_padding: ClassVar[bool] = False
    is_loop: ClassVar[bool] = False

    vocab_size: Annotated[int, Range(1, LARGEST_ID), NoOption()]
    num_labels: Annotated[int, Range(1, LARGEST_ID), NoOption()]
    pad_id: Annotated[int, Range(0), NoOption()] = 0
    task: Annotated[str, NoOption()] = SINGLE_LABEL_NAME
    standardisation: Annotated[tuple[float, ...], NoOption()] = AS_THEY_ARE
    embedding_dim: Annotated[int, Range(1, 65_536)] = 50
    """Width of the token embeddings."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.task == SINGLE_LABEL_NAME:  # known without the tasks themselves, which import NumPy
            require_range("--num-labels", self.num_labels, 2, LARGEST_ID)
        else:
            least, most = self.labelling.label_counts  # an unknown task is refused
            require_range("--num-labels", self.num_labels, least, most)
        if self.pad_id >= self.vocab_size:
            raise InputError(
                f"--pad-id: expected a number below the vocabulary's size, {self.vocab_size}, got {self.pad_id}"
            )

    @abc.abstractmethod
    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters.

        It is called as ``module(inputs, padded_length=None, dropout_rng=None)`` and returns logits [batch, classes]:
        ``inputs`` as ``inputs()`` gives them, ``padded_length`` the length that cut rows stand for, ``dropout_rng``
        None = no dropout.
        """

    @classmethod
    def recipe(cls, name: str) -> Recipe:
        """Return a recipe by its name.

        Raises:
            InputError: the student has none of this name.
        """
        if name not in cls.recipes:
            raise InputError(f"--recipe: expected one of {', '.join(cls.recipes)}, got {name!r}")
        return cls.recipes[name]

    def check_options(self) -> None:  # noqa: B027 - most students have nothing to refuse
        """Raise ``InputError`` where options that a user chose make no sense together."""

    def options(self) -> dict[str, Any]:
        """Return the fields that a user chooses."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in _SIZES}

    @property
    def labelling(self) -> "Task":
        """What rows are labelled with, and what follows from it."""
        from distill_jax.tasks.registry import task_named

        return task_named(self.task, self.standardisation)

    @property
    def ids(self) -> int:
        """How many ids there are: the vocabulary's, and those that stand for something else."""
        return self.vocab_size

    @property
    def tables(self) -> dict[str, int]:
        """The parameters that have a row for each id, by name, with how many ids that is, counted from 0."""
        return {self.table_name: self.vocab_size}

    def inputs(self, tokens: "Ragged") -> "Ragged":
        """Return what the network is fed, a batch at a time and padded, for rows of tokens; inputs stay as they are."""
        return tokens

    def traced_inputs(self, ids: "Array") -> "Array":
        """Return the same as ``inputs``, padded, of padded rows [batch, length] within a program of JAX's."""
        return ids

    def compacted(self, tokens: "np.ndarray", pad_id: int) -> Self:
        """Return the student over some of the ids: ``tokens`` [kept], ascending; ``pad_id`` is the place among them."""
        return dataclasses.replace(self, vocab_size=len(tokens), pad_id=pad_id)

    @property
    def cut_margin(self) -> int:
        """How many padding tokens a cut row must keep after its last real token."""
        return 0

    @property
    def token_state_width(self) -> int:
        """How many numbers its state at each token has, which hints are compared with; 0 = it has no such state.

        The network then has a method ``with_token_states`` that takes what a call takes and returns the logits and
        these states, [batch, length, width].
        """
        return 0

    @property
    def is_linear(self) -> bool:
        """Whether logits are a sum over tokens of what each says for each class (``token_scores``)."""
        return False

    @property
    def predicts_in_numpy(self) -> bool:
        """Whether its NumPy network predicts where JAX is installed too: a compiled program would do nothing faster."""
        return self.is_linear

    @property
    def numbers_depend_on(self) -> tuple[str, ...]:
        """What of a platform (``jax_setup.platform``) the last bits of a training depend on."""
        return ("processor", "processors", "device", "jax", "environment")

    def parameter_layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and the type, such as ``float32``, of each parameter by its dotted name."""
        require_packages("jax", "flax", what=f"student {self.name}")
        from distill_jax.students.params import flat_params
        from distill_jax.students.student import Student

        shapes = flat_params(Student(self).shapes())
        return {name: (tuple(leaf.shape), str(leaf.dtype)) for name, leaf in shapes.items()}

    def token_scores(self, params: Mapping[str, Any], padded_length: int) -> "TokenScores | None":
        """Return what each token adds to each class's logit where the student is linear; None = it is not.

        Args:
            params: the student's parameters.
            padded_length: the length that texts are padded to, in tokens.
        """
        del params, padded_length
        return None

    def numpy_network(self, params: Mapping[str, Any], padded_length: int) -> "Network | None":
        """Return what computes the logits without JAX; None = there is no such thing of this student.

        Args:
            params: the student's parameters; a table among them may be a ``Table`` of some of its rows.
            padded_length: the length that texts are padded to, in tokens.
        """
        return self.token_scores(params, padded_length)

    def shrinker(self) -> "type[Shrinker] | None":
        """Return how the student is packed; None = not at all."""
        return None

    def onnx_network(self) -> "type[OnnxNetwork[Any]] | None":
        """Return what makes an ONNX graph of the student; None = nothing does."""
        return None

    def takes_sparse_steps(self, optimizer: str) -> bool:
        """Whether a training step touches its tokens' rows alone (``sparse_sgd``)."""
        return self.is_linear and optimizer == "sgd"

    def lookup(self) -> "type[TokenLookup] | None":
        """Return how many texts are predicted on a CPU from what each token adds; None = by the network itself."""
        return None

    @classmethod
    def torch_layout(cls) -> "TorchLayout | None":
        """Return the student's names and shapes in a torch state dict; None = there is no torch model of it."""
        return None


@dataclasses.dataclass(frozen=True)
class BagConfig(StudentConfig):
    """A student with a bag of tokens and n-grams, whose buckets' ids follow the vocabulary's (``ngrams``)."""

    ngrams: Annotated[int, Range(1, _LONGEST_NGRAM)] = 1
    """The longest run of tokens that the bag sees as one; 1: single tokens alone."""
    buckets: Annotated[int, Range(0)] = 0
    """Rows of the table that these runs are hashed into."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ids > LARGEST_ID:
            raise InputError(f"--buckets: expected at most {LARGEST_ID - self.vocab_size}, got {self.buckets}")

    def check_options(self) -> None:
        """Raise ``InputError`` where there are n-grams without buckets, or the other way round."""
        if (self.ngrams > 1) != (self.buckets > 0):
            raise InputError(
                f"--ngrams and --buckets go together: expected --buckets with --ngrams 2 or more, and 0 without, got "
                f"--ngrams {self.ngrams} --buckets {self.buckets}"
            )

    @property
    def dropped_ngrams(self) -> float:
        """The share of the n-grams that each text is read without in sparse steps."""
        return 0.0

    def text_weights(self, counts: "np.ndarray", padded_length: int, dtype: Any) -> "np.ndarray":
        """Return what sums over texts are multiplied by in sparse steps: means, float [texts].

        Args:
            counts: int [texts], how many real tokens and n-grams each has.
            padded_length: the tokens that texts are padded to.
            dtype: of the weights.
        """
        del padded_length
        return 1 / counts.clip(1).astype(dtype)

    @property
    def ids(self) -> int:
        """How many ids there are: the vocabulary's and the buckets'."""
        return self.vocab_size + self.buckets

    def inputs(self, tokens: "Ragged") -> "Ragged":
        """Return the tokens, or with n-grams their buckets beside them, ids [tokens, ngrams]."""
        from distill_jax.data.ngrams import hashed_ngrams

        if self.ngrams == 1 or tokens.ids.ndim == 2:
            return tokens
        return hashed_ngrams(tokens, self.ngrams, vocab_size=self.vocab_size, buckets=self.buckets, pad_id=self.pad_id)

    def traced_inputs(self, ids: "Array") -> "Array":
        """Return the tokens, or with n-grams their buckets beside them, [batch, length, ngrams]."""
        from distill_jax.students.networks.ngrams import traced_ngrams

        sizes = {"vocab_size": self.vocab_size, "buckets": self.buckets, "pad_id": self.pad_id}
        return ids if self.ngrams == 1 else traced_ngrams(ids, self.ngrams, **sizes)

    def compacted(self, tokens: "np.ndarray", pad_id: int) -> Self:
        """Return the student over some of the ids: ``tokens`` [kept], ascending; ``pad_id`` is the place among them."""
        words = int((tokens < self.vocab_size).sum())
        return dataclasses.replace(self, vocab_size=words, buckets=len(tokens) - words, pad_id=pad_id)


def own_options(kind: type[StudentConfig]) -> tuple[str, ...]:
    """Return the names of a student's options."""
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in _SIZES)


def require_own(kind: type[StudentConfig], options: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for an option that a student does not have."""
    known = own_options(kind)
    for name in options:
        if name not in known:
            have = ", ".join(map(option_of, known))
            raise InputError(f"{option_of(name)}: student {kind.name} has no such option; it has {have}")
