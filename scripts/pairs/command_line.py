"""The command line: arguments → trials → a table, and a file of what was found."""

import dataclasses
import sys
import tempfile
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from distill_jax.console import format_table, parse_options, progress, say, warn
from distill_jax.errors import InputError, require_range
from distill_jax.results_file import ResultsFile
from scripts.benchmark.machine import describe_machine
from scripts.pairs.catalogue import Case, all_pairs

DESCRIPTION = """Run two commands at once on one folder, many times, the second one a random time after the first.

None is harmed where the folder that they leave is the one that they leave one after the other, times aside; where one
that did not succeed said one sentence, ended with status 2 and changed nothing; and where one that reads answered from
a whole folder. Exit status 1: one was harmed."""
_FOUND = ResultsFile("scripts.pairs", frozenset({"machine", "seed", "pairs"}))


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which pairs, and how often."""

    trials: int = 100
    """Trials of each pair."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD…")] = ()
    """Pairs of these names, or whose names hold one of these words (default: all)."""
    seed: int = 0
    """Decides who begins, and how much later the other does."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """A JSON file for what was found."""
    keep: Path = Path("harmed")
    """A folder for what harmed trials leave."""


def main(words: list[str] | None = None) -> None:
    """Parse, try, say.

    Raises:
        InputError: an option is not usable.
        SystemExit: status 1, a trial was harmed.
    """
    options = parse_options(Arguments, words, prog="python -m scripts.pairs", description=DESCRIPTION)
    require_range("--trials", options.trials, 1, 1_000_000)
    pairs = all_pairs()
    chosen = [name for name in pairs if not options.only or any(_names(word, name, pairs) for word in options.only)]
    if not chosen:
        raise InputError(f"--only: expected a word of {', '.join(pairs)}, got {' '.join(options.only)}")
    if options.output is not None:
        _FOUND.require_replaceable("--output", options.output)
    results = {}
    with tempfile.TemporaryDirectory(prefix="distill-jax-pairs-") as folder:
        tried = _Tried(Path(folder), options)
        for name in chosen:
            results[name] = tried.pair(name, pairs[name])
            if options.output is not None:
                _FOUND.write(options.output, {"machine": describe_machine(), "seed": options.seed, "pairs": results})
    say("\n" + _table(results))
    if any(found["harmed"] for found in results.values()):
        sys.exit(1)


def _names(word: str, name: str, pairs: Container[str]) -> bool:
    """Whether a word asks for a pair: it is its name, or else a part of it."""
    return word == name if word in pairs else word in name


class _Tried:
    """The place of all trials."""

    def __init__(self, folder: Path, options: Arguments) -> None:
        from scripts.pairs.serial import Serial
        from scripts.trials.inputs import write_inputs
        from scripts.trials.processes import load

        load(folder / "cache")
        write_inputs(folder)
        self._options, self._serial = options, Serial(folder)

    def pair(self, name: str, cases: tuple[Case, ...]) -> dict[str, Any]:
        """Return how many trials of a pair ended in which way, and the stories of those that were harmed."""
        from scripts.pairs.trials import run_trial

        succeeded: Counter[int] = Counter()
        harmed = []
        with progress(self._options.trials, name, "trials") as bar:
            for number in range(self._options.trials):
                rng = np.random.default_rng([self._options.seed, number])
                keep = self._options.keep / f"{name.replace(' ', '-')}-{number}"
                trial = run_trial(cases[number % len(cases)], self._serial, rng, keep)
                succeeded[trial.succeeded] += 1
                if trial.faults:
                    harmed.append({"trial": number, "faults": trial.faults, "story": trial.story})
                    warn(f"{name}, trial {number}: " + "; ".join(trial.faults))
                bar.update(1)
        counts = {"both": succeeded[2], "one": succeeded[1], "none": succeeded[0]}
        return {"trials": self._options.trials, "succeeded": counts, "harmed": harmed}


def _table(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        [name, *map(str, (found["trials"], *found["succeeded"].values(), len(found["harmed"])))]
        for name, found in results.items()
    ]
    return format_table(["pair", "trials", "both succeeded", "one did", "none did", "harmed"], rows)
