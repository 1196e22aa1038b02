"""The ensemble of CNN and bag of n-grams as a student: its options, recipes, and what the package asks of it."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, ClassVar

from distill_jax.options import Range
from distill_jax.recipes import (
    ADAM,
    ADAM_STEPS,
    BEST,
    BEST_ADAM,
    BEST_DISTILLED,
    BIGRAMS,
    CONVOLUTIONS,
    NOTEBOOK,
    Recipe,
)
from distill_jax.students.config import BagConfig

if TYPE_CHECKING:
    from flax import nnx


@dataclasses.dataclass(frozen=True)
class EnsembleConfig(BagConfig):
    """Kim's CNN and a bag of n-grams, whose logits are added up; it sees real tokens alone."""

    name: ClassVar = "ensemble"
    title: ClassVar = "Ensemble"
    recipes: ClassVar = {
        NOTEBOOK: Recipe(BIGRAMS, ADAM),  # the notebook has none
        BEST: Recipe({**CONVOLUTIONS, **BIGRAMS}, BEST_ADAM, BEST_DISTILLED, least_steps=ADAM_STEPS),
    }

    filter_heights: Annotated[tuple[int, ...], Range(1, 1024)] = (3, 4, 5)
    """Heights of the CNN's filters, in tokens."""
    filters: Annotated[int, Range(1, 65_536)] = 100
    """The CNN's filters of each height."""
    dropout: Annotated[float, Range(0, 0.99)] = 0.5
    """Share of the CNN's pooled features set to zero in training; the bag has no dropout."""
    mask_padding: ClassVar = True

    def module(self, rngs: "nnx.Rngs") -> "nnx.Module":
        """Return the network with new parameters."""
        from distill_jax.students.networks.ensemble import Ensemble

        return Ensemble(self, rngs=rngs)

    @property
    def tables(self) -> dict[str, int]:
        """The CNN's embeddings of tokens, and the bag's numbers of tokens and buckets."""
        return {self.table_name: self.vocab_size, "bag": self.ids}
