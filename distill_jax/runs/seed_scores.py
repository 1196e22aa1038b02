"""The scores of one training repeated with several seeds: ``seeds.json`` in the run folder of the first of them.

The first seed's run is the folder itself, so that it stays a run like any other; the others lie below it, in
``seed-<n>``.
"""

import dataclasses
import math
import statistics
from pathlib import Path
from typing import Any

from distill_jax.errors import InputError
from distill_jax.files import read_json, write_json
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

SEEDS = "seeds.json"
FORMAT_VERSION = 1
_TOLERANCE = 1e-9  # of the mean and the deviation in the file, against those of its values
_SCORE_TOLERANCE = 1e-4  # of the first seed's, against its run's


@dataclasses.dataclass(frozen=True)
class Spread:
    """One score, a value for each seed.

    Attributes:
        values: a number for each seed; at least two.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return statistics.fmean(self.values)

    @property
    def standard_deviation(self) -> float:
        """Their sample standard deviation."""
        return statistics.stdev(self.values)


@dataclasses.dataclass(frozen=True)
class SeedScores:
    """The scores of a training with several seeds.

    Attributes:
        seeds: at least two, different; the first is that of the run in the folder itself.
        first: the first of the task's two scores on the test split, as accuracy.
        second: the second of them, as macro F1.
        validation: the score that the task is selected by, on the validation split; None where the export has none or
            no label in it.
        task: what the rows are labelled with: it names the scores.
    """

    seeds: tuple[int, ...]
    first: Spread
    second: Spread
    validation: Spread | None = None
    task: Task = SINGLE_LABEL

    def named(self) -> dict[str, Spread]:
        """Return the scores that there are, as the history's columns are called."""
        found = zip(_names(self.task), (self.first, self.second, self.validation), strict=True)
        return {name: spread for name, spread in found if spread is not None}


def _names(task: Task) -> tuple[str, str, str]:
    first, second = task.history_scores
    return f"test_{first}", f"test_{second}", f"validation_{task.selected_by}"


def seed_folder(workdir: Path, seed: int) -> Path:
    """Return the run folder of a seed that is not the first."""
    return workdir / f"seed-{seed}"


def seed_folders(workdir: Path) -> list[Path]:
    """Return what is named as the folders of further seeds below a run folder, sorted."""
    found = [path for path in workdir.glob("seed-*") if path.is_dir() and path.name.removeprefix("seed-").isdecimal()]
    return sorted(found)


def write_seeds(workdir: Path, scores: SeedScores) -> None:
    """Write ``seeds.json``: the seeds, and for each score its values, their mean and their sample deviation."""
    content: dict[str, Any] = {"format_version": FORMAT_VERSION, "seeds": list(scores.seeds)}
    for name, spread in scores.named().items():
        content[name] = {
            "values": list(spread.values),
            "mean": spread.mean,
            "standard_deviation": spread.standard_deviation,
        }
    write_json(workdir / SEEDS, content)


def read_seeds(workdir: Path, task: Task = SINGLE_LABEL) -> SeedScores | None:
    """Read and validate a run folder's ``seeds.json``; None where there is none, as of a training with one seed.

    Raises:
        InputError: it is no JSON, of another format version, or its numbers do not fit together.
    """
    path = workdir / SEEDS
    if not path.is_file():
        return None
    content, where = read_json(path, "seed scores"), f"seed scores {path}"
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            f"{where}: format_version is {version}, this program reads version {FORMAT_VERSION}; "
            "use the distill-jax that wrote the file, or train again"
        )
    seeds = _read_list(content, "seeds", int, where)
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise InputError(f"{where}: seeds: expected at least two different whole numbers, got {seeds}")
    names = _names(task)
    scores = {name: _read_spread(content, name, len(seeds), where, task) for name in names if name in content}
    missing = [name for name in names[:2] if name not in scores]
    if missing:
        raise InputError(f"{where}: missing field {missing[0]!r}")
    return SeedScores(tuple(seeds), scores[names[0]], scores[names[1]], scores.get(names[2]), task)


def read_seeds_of(workdir: Path, seed: int | None, score: float, task: Task = SINGLE_LABEL) -> SeedScores | None:
    """Return what ``read_seeds`` does, for a run of a seed with a test score: the first of the scores must be its.

    Raises:
        InputError: they are of another training; or as ``read_seeds``.
    """
    scores = read_seeds(workdir, task)
    if scores is None:
        return None
    first, said = scores.seeds[0], scores.first.values[0]
    if first != seed or abs(said - score) > _SCORE_TOLERANCE * max(1.0, abs(score)):
        raise InputError(
            f"run folder {workdir}: {SEEDS} says {_title(task)} {said:.4f} for seed {first}, the run has {score:.4f} "
            f"with seed {seed}; give the training's command with its --seeds again, which writes the file anew"
        )
    return scores


def _title(task: Task) -> str:
    return "test accuracy" if task.has_classes else _names(task)[0]


def _read_spread(content: dict[str, Any], name: str, count: int, where: str, task: Task) -> Spread:
    found, where = content[name], f"{where}: {name}"
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected a JSON object, got {found!r}")
    values = _read_list(found, "values", float, where)
    if len(values) != count or (task.has_classes and not all(0 <= value <= 1 for value in values)):
        raise InputError(f"{where}: values: expected {count} numbers from 0 to 1, one a seed, got {values}")
    spread = Spread(tuple(map(float, values)))
    for field in ("mean", "standard_deviation"):
        said = found.get(field)
        if not _is_number(said) or abs(said - getattr(spread, field)) > _TOLERANCE:
            raise InputError(f"{where}: {field}: expected {getattr(spread, field)}, that of its values, got {said!r}")
    return spread


def _read_list(content: dict[str, Any], name: str, kind: type, where: str) -> list[Any]:
    found = content.get(name)
    right = isinstance(found, list) and all(_is_number(item) and (kind is float or item == int(item)) for item in found)
    if not right:
        raise InputError(f"{where}: {name}: expected a list of {'whole ' * (kind is int)}numbers, got {found!r}")
    return list(found or [])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
