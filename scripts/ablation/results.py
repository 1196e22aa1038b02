"""The scores of the runs, by variant: every seed's, their mean and spread, and how far from the whole recipe.

How far is said twice: the spread over the seeds is that of other trainings, the interval that of other test texts.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.metrics.classification import accuracy, macro_f1
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import percentile_interval, resampled
from distill_jax.runs.folder import read_run, scored
from scripts.ablation.trainings import Place
from scripts.ablation.variants import Recipe, Variant


@dataclasses.dataclass(frozen=True)
class Spread:
    """A score of some seeds.

    Attributes:
        values: one a seed.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """Their mean; None of none."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def sd(self) -> float | None:
        """Their sample standard deviation; None of fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Return values, mean and deviation, as JSON takes them."""
        return {"values": list(self.values), "mean": self.mean, "sd": self.sd}


@dataclasses.dataclass(frozen=True, eq=False)
class RunScores:
    """What one run came to, on the test split but for the last two.

    Attributes:
        right: which answers are, bool [labelled test rows].
        macro_f1: on these rows.
        validation_macro_f1: of the epoch that was kept; None where there is no validation split.
        train_seconds: None where they are not known.
    """

    right: np.ndarray
    macro_f1: float
    validation_macro_f1: float | None
    train_seconds: float | None

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(self.right.mean())


@dataclasses.dataclass(frozen=True)
class Teacher:
    """The teacher's scores on the same test rows, and how many of these have a label."""

    accuracy: float
    macro_f1: float
    rows: int


@dataclasses.dataclass(frozen=True)
class Row:
    """A variant's line of a table.

    Attributes:
        variant: which.
        runs: a run's scores by its seed; those that diverged are missing.
        diverged: why those did, by their seed.
        commands: the command of every run, by its seed.
    """

    variant: Variant
    runs: Mapping[int, RunScores]
    diverged: Mapping[int, str]
    commands: Mapping[int, str]

    def spread(self, name: str) -> Spread:
        """Return the spread of a score of ``RunScores``."""
        values = (getattr(run, name) for run in self.runs.values())
        return Spread(tuple(value for value in values if value is not None))

    def difference(self, other: "Row") -> Spread:
        """Return how much higher the accuracy is than another row's with the same seed."""
        return Spread(tuple(self.runs[seed].accuracy - other.runs[seed].accuracy for seed in self._common(other)))

    def interval(self, other: "Row") -> Interval | None:
        """Return how much higher the accuracy is than another row's, paired, with its interval over the test rows.

        It is that of the seeds that both have, their mean; None where they have none.
        """
        seeds = self._common(other)
        if not seeds:
            return None
        more = np.mean([self.runs[seed].right.astype(float) - other.runs[seed].right for seed in seeds], axis=0)
        draws = resampled([lambda weights: weights @ more / len(more)], len(more))
        return percentile_interval(float(more.mean()), draws[:, 0])

    def _common(self, other: "Row") -> list[int]:
        return [seed for seed in self.runs if seed in other.runs]


def read_row(place: Place, recipe: Recipe, variant: Variant, seeds: Sequence[int], diverged: Mapping[Path, str]) -> Row:
    """Read a variant's runs.

    Raises:
        InputError: a run's folder is broken.
    """
    folders = {seed: place.folder(recipe, variant, seed) for seed in seeds}
    return Row(
        variant,
        {seed: read_scores(folder) for seed, folder in folders.items() if folder not in diverged},
        {seed: diverged[folder] for seed, folder in folders.items() if folder in diverged},
        {seed: place.command(recipe, variant, seed) for seed in seeds},
    )


def read_scores(folder: Path) -> RunScores:
    """Read a run's scores: of the epoch that was kept."""
    run = read_run(folder)
    validation = None
    if "validation_f1_macro" in run.history.columns:
        validation = float(run.history["validation_f1_macro"].iloc[int(run.metrics["kept_epoch"])])
    labels, predicted = scored(run, run.predictions.logits)
    return RunScores(
        predicted == labels, float(run.metrics["test_f1_macro"]), validation, run.metrics.get("train_seconds")
    )


def read_teacher(folder: Path) -> Teacher:
    """Score the teacher on a run's test rows."""
    run = read_run(folder)
    labels, predicted = scored(run, run.predictions.teacher_logits)
    return Teacher(accuracy(labels, predicted), macro_f1(labels, predicted), len(labels))


def to_json(row: Row, whole: Row, teacher: Teacher) -> dict[str, Any]:
    """Return a row as JSON takes it: every value of every seed, every command."""
    mean, interval = row.spread("accuracy").mean, row.interval(whole)
    above = row.difference(whole).to_json()
    return {
        "variant": row.variant.title,
        "changes": dict(row.variant.changes),
        "transfer_texts": row.variant.texts,
        "accuracy": row.spread("accuracy").to_json(),
        "macro_f1": row.spread("macro_f1").to_json(),
        "validation_macro_f1": row.spread("validation_macro_f1").to_json(),
        "share_of_teacher": None if mean is None else mean / teacher.accuracy,
        "accuracy_above_whole_recipe": above
        | {"interval": None if interval is None else [interval.low, interval.high]},
        "train_seconds": row.spread("train_seconds").to_json(),
        "diverged": {str(seed): why for seed, why in row.diverged.items()},
        "commands": list(row.commands.values()),
    }
