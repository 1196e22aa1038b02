"""The command line: arguments → a wheel, environments, a table."""

import dataclasses
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, get_args

import tyro
from packaging.version import Version

from distill_jax.console import format_table, say, warn
from distill_jax.errors import InputError
from scripts.versions.bounds import pinned
from scripts.versions.interpreters import Interpreter, find_interpreters
from scripts.versions.study import FAILED, RUNTIME, Case, End, Outcome, steps, study
from scripts.versions.wheel import ROOT, build_wheel

DESCRIPTION = """Build the wheel, install it into new environments with the oldest and with the newest versions that
pyproject.toml admits, and there export from a tiny teacher, train every student, predict and report; and predict where
the wheel is installed without extras.

The oldest versions go with the oldest of the Pythons, for later ones have no wheels of them. pip fetches some 500 MB
for an environment; nothing else needs a network. Exit status 1: a step failed."""
_ENDS: tuple[End, ...] = get_args(End)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which environments."""

    python: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PYTHON…")] = (
        "python3.11",
        "python3.12",
        "python3.13",
        "python3.14",
    )
    """Pythons, by name or path; one that is missing is skipped."""
    ends: Annotated[tuple[End, ...], tyro.conf.arg(metavar="END…")] = _ENDS
    """Which end of the ranges: oldest, newest."""
    torch: Annotated[
        str | None, tyro.conf.arg(metavar="VERSION", help_behavior_hint="(default: that of constraints.txt)")
    ] = None
    """The version of torch in every environment. Where pip has it with CUDA alone, the teacher's half is skipped."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, try, say.

    Raises:
        InputError: there is none of the Pythons.
        SystemExit: status 1, a step failed.
    """
    options = tyro.cli(Arguments, prog="python -m scripts.versions", description=DESCRIPTION, args=arguments)
    found, missing = find_interpreters(options.python)
    for name, why in missing.items():
        warn(f"skipped {name}: {why}")
    if not found:
        raise InputError(f"--python: expected a Python among {', '.join(options.python)}, found none")
    torch = options.torch or pinned(ROOT / "constraints.txt", "torch")
    results = {}
    with tempfile.TemporaryDirectory(prefix="distill-jax-versions-") as folder:
        wheel = build_wheel(Path(folder))
        for case in cases(found, options.ends, torch):
            results[case.title] = _try(case, wheel)
    say("\n" + table(results))
    say("\n" + "\n".join(notes(results)))
    if any(outcome.word == FAILED for outcomes in results.values() for outcome in outcomes.values()):
        sys.exit(1)


def cases(pythons: Sequence[Interpreter], ends: Sequence[End], torch: str) -> list[Case]:
    """Return the environments: the oldest versions with the oldest Python, the newest with each."""
    pythons = sorted(pythons, key=lambda python: Version(python.version))
    with_each: dict[End, list[Interpreter]] = {"oldest": pythons[:1], "newest": pythons}
    return [Case(python, end, torch) for end, chosen in with_each.items() if end in ends for python in chosen]


def _try(case: Case, wheel: Path) -> dict[str, Outcome]:
    with tempfile.TemporaryDirectory(prefix="distill-jax-versions-") as folder:
        return study(case, wheel, Path(folder), lambda step: warn(f"{case.title}: {step}"))


def table(results: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a row for each environment, with a word for each step; a dash where it was not reached."""
    names = ("install", "export", *steps(), RUNTIME)
    rows = [
        [title, *(found[name].word if name in found else "–" for name in names)] for title, found in results.items()
    ]
    return format_table(["environment", *names], rows)


def notes(results: Mapping[str, Mapping[str, Outcome]]) -> list[str]:
    """Return what there is to say about steps: the versions, why one was skipped, how one failed."""
    return [
        f"{title}, {name}: {outcome.note}"
        for title, found in results.items()
        for name, outcome in found.items()
        if outcome.note
    ]
