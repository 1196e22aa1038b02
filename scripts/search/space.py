"""What is searched for each student: which settings, over which values. Imports neither Optuna nor a framework."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Value = str | int | float


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few values, without an order."""

    values: tuple[Value, ...]

    def draw(self, trial: Any, name: str) -> Value:
        """Return the trial's value."""
        return trial.suggest_categorical(name, self.values)

    def sample(self, rng: np.random.Generator) -> Value:
        """Return one of them by chance."""
        return self.values[int(rng.integers(len(self.values)))]

    def nearest(self, value: Value) -> Value:
        """Return ``value`` where it is one of them, or else the first."""
        return value if value in self.values else self.values[0]

    def smallest(self) -> tuple[Value, ...]:
        """Return the values among which the smallest student is."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number from ``low`` to ``high``, in steps."""

    low: int
    high: int
    step: int = 1

    def draw(self, trial: Any, name: str) -> Value:
        """Return the trial's value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step)

    def sample(self, rng: np.random.Generator) -> Value:
        """Return one of them by chance."""
        return self.nearest(float(rng.uniform(self.low, self.high)))

    def nearest(self, value: Value) -> Value:
        """Return the number of the range that is nearest to ``value``."""
        steps = round((min(max(float(value), self.low), self.high) - self.low) / self.step)
        return self.low + steps * self.step

    def smallest(self) -> tuple[Value, ...]:
        """Return the values among which the smallest student is."""
        return (self.low,)

    def at_most(self, limit: int) -> "Whole":
        """Return the part of the range up to ``limit``; ``limit`` alone where there is none."""
        if limit < self.low:
            return Whole(limit, limit)
        return Whole(self.low, self.low + (min(limit, self.high) - self.low) // self.step * self.step, self.step)


@dataclasses.dataclass(frozen=True)
class Real:
    """A number from ``low`` to ``high``: in steps, or of any size in between on a logarithmic scale."""

    low: float
    high: float
    step: float | None = None

    def draw(self, trial: Any, name: str) -> Value:
        """Return the trial's value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.step is None)

    def sample(self, rng: np.random.Generator) -> Value:
        """Return one of them by chance, on the range's own scale."""
        if self.step is None:
            return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return self.nearest(float(rng.uniform(self.low, self.high)))

    def nearest(self, value: Value) -> Value:
        """Return the number of the range that is nearest to ``value``."""
        number = min(max(float(value), self.low), self.high)
        return number if self.step is None else self.low + round((number - self.low) / self.step) * self.step

    def smallest(self) -> tuple[Value, ...]:
        """Return the values among which the smallest student is."""
        return (self.low,)


Parameter = Choice | Whole | Real
Space = Mapping[str, Parameter]

_LOSS: Space = {
    "soft_loss": Choice(("kl", "mse")),
    "temperature": Real(1.0, 8.0, step=0.5),
    "alpha": Real(0.0, 0.5, step=0.1),
    "transfer_share": Real(0.0, 1.0, step=0.25),
}
_ADAM: Space = {"epochs": Whole(3, 12), "learning_rate": Real(3e-4, 5e-3), "batch_size": Choice((16, 32, 64, 128))}
_SGD: Space = {"epochs": Whole(4, 20), "learning_rate": Real(0.05, 2.0), "batch_size": Choice((1, 2, 4, 8))}
_WIDTH: Space = {"embedding_dim": Whole(8, 384, 8)}
_DROPOUT: Space = {"dropout": Real(0.0, 0.8, step=0.1)}
_NGRAMS: Space = {"ngrams": Whole(1, 3), "buckets": Choice((32_768, 131_072, 524_288))}
_DAN: Space = {
    "buckets": Choice((32_768, 65_536, 131_072, 524_288)),
    "hidden": Whole(16, 256, 16),
    "ngram_dropout": Real(0.0, 0.8, step=0.1),
    "length_power": Real(0.5, 1.0, step=0.05),
}
_FILTERS: Space = {
    "filters": Whole(50, 300, 50),
    "filter_heights": Choice(("3 4 5", "2 3 4", "1 2 3", "2 3 4 5", "3 5 7")),
}
_LSTM: Space = {"hidden": Whole(16, 304, 16), "dense": Whole(50, 400, 50), "states": Choice(("max", "last"))}

SPACES: dict[str, Space] = {
    "fasttext": {**_WIDTH, **_NGRAMS, **_SGD, **_LOSS},
    "dan": {**_WIDTH, **_NGRAMS, **_DAN, **_SGD, **_LOSS},
    "cnn": {**_WIDTH, **_FILTERS, **_DROPOUT, **_ADAM, **_LOSS},
    "ensemble": {**_WIDTH, **_FILTERS, **_NGRAMS, **_DROPOUT, **_ADAM, **_LOSS},
    "bilstm": {**_WIDTH, **_LSTM, **_DROPOUT, **_ADAM, **_LOSS},
}

# Settings that matter only beside certain others: they are drawn after these, and only then.
_NEEDED: dict[str, Callable[[Mapping[str, Value]], bool]] = {
    "temperature": lambda drawn: drawn["soft_loss"] == "kl",
    "buckets": lambda drawn: int(drawn["ngrams"]) > 1,
}


def space_for(
    student: str, *, widest: int | None, has_transfer: bool, soft_losses: Sequence[str] = ("mse", "kl")
) -> Space:
    """Return a student's space for one export.

    Args:
        student: a name in ``SPACES``.
        widest: the widest embedding that can be had, None without a limit.
        has_transfer: whether the export has a transfer split.
        soft_losses: those of its task; of one alone there is nothing to search.
    """
    space = dict(SPACES[student])
    width = space["embedding_dim"]
    if widest is not None and isinstance(width, Whole):
        space["embedding_dim"] = width.at_most(widest)
    if not has_transfer:
        del space["transfer_share"]
    if len(soft_losses) == 1:
        del space["soft_loss"], space["temperature"]
    return space


def draw(space: Space, trial: Any) -> dict[str, Value]:
    """Return a trial's value for every setting that matters in it."""
    drawn: dict[str, Value] = {}
    for name, parameter in space.items():
        if name not in _NEEDED or _NEEDED[name](drawn):
            drawn[name] = parameter.draw(trial, name)
    return drawn


def values_of(space: Space, settings: Mapping[str, Any]) -> dict[str, Value]:
    """Return settings (a recipe's) as values of the space, the nearest ones; what does not matter is left out."""
    values: dict[str, Value] = {}
    for name, parameter in space.items():
        if name in _NEEDED and not _NEEDED[name](values):
            continue
        value = settings[name]
        if name == "transfer_share" and not settings["transfer"]:
            value = 0.0
        values[name] = parameter.nearest(" ".join(map(str, value)) if isinstance(value, tuple) else value)
    return values


def neighbours(space: Space, values: Mapping[str, Value], count: int, seed: int) -> list[dict[str, Value]]:
    """Return ``count`` variants of values of the space, of which two settings each were drawn anew."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        changed = set(rng.choice(list(space), 2, replace=False))
        drawn: dict[str, Value] = {}
        for name, parameter in space.items():
            if name not in _NEEDED or _NEEDED[name](drawn):
                drawn[name] = values[name] if name in values and name not in changed else parameter.sample(rng)
        found.append(drawn)
    return found


def settings_of(values: Mapping[str, Value]) -> dict[str, Any]:
    """Return values of the space as fields of ``StudentConfig`` and ``TrainConfig``.

    Numbers are rounded to what a command line shows, so that it repeats a trial exactly.
    """
    settings: dict[str, Any] = {
        name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in values.items()
    }
    if "filter_heights" in settings:
        settings["filter_heights"] = tuple(int(height) for height in settings["filter_heights"].split())
    if settings.get("ngrams") == 1:
        settings["buckets"] = 0
    if "transfer_share" in settings:
        settings["transfer"] = settings["transfer_share"] > 0
        settings["transfer_share"] = settings["transfer_share"] or 1.0
        if not settings["transfer"]:
            settings["transfer_passes"] = 0
    return settings


def describe(space: Space) -> dict[str, Any]:
    """Return a space as a JSON object, to tell whether two searches have the same."""
    described = {name: {"kind": type(item).__name__, **dataclasses.asdict(item)} for name, item in space.items()}
    return {
        name: {k: list(v) if isinstance(v, tuple) else v for k, v in item.items()} for name, item in described.items()
    }
