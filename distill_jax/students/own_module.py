"""A user's own NNX module as a student."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from distill_jax.recipes import ADAM, BEST, BEST_ADAM, BEST_DISTILLED, NOTEBOOK, Recipe
from distill_jax.students.config import StudentConfig

if TYPE_CHECKING:
    from flax import nnx


def _training(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's training that starts where the module itself does."""
    return {**values, "embeddings": "random"}


@dataclasses.dataclass(frozen=True)
class OwnModuleConfig(StudentConfig):
    """A module that ``build`` makes; every id of the vocabulary keeps its place in it.

    Attributes:
        build: called with this configuration (``vocab_size``, ``num_labels``, ``pad_id``, ``embedding_dim``) and an
            ``nnx.Rngs``; returns a module that is called with token ids, int [batch, length], padded with ``pad_id``
            on the right, and returns logits [batch, classes]. Where it takes ``dropout_rng``, it is given a key in
            training, and None else.
    """

    name: ClassVar = "own"
    title: ClassVar = "Own module"
    recipes: ClassVar = {
        NOTEBOOK: Recipe({}, ADAM),
        BEST: Recipe({}, _training(BEST_ADAM), BEST_DISTILLED),
    }

    build: Callable[..., Any] = dataclasses.field(kw_only=True)

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the user's module behind the call that all students have."""
        from distill_jax.students.networks.own_module import Own

        return Own(self.build(self, rngs))

    def options(self) -> dict[str, Any]:
        """Return what of it a file can hold: the width, and the function's name."""
        name = getattr(self.build, "__qualname__", type(self.build).__qualname__)
        return {"embedding_dim": self.embedding_dim, "build": f"{getattr(self.build, '__module__', '')}:{name}"}

    @property
    def tables(self) -> dict[str, int]:
        """None is known: no row of the module is left out in training."""
        return {}


def takes(module: Any, name: str) -> bool:
    """Return whether a module's call takes an argument of a name."""
    return name in inspect.signature(type(module).__call__).parameters
