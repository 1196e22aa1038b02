"""The command line: arguments → trials → a table."""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, say, warn
from distill_jax.errors import require_range
from distill_jax.results_file import ResultsFile
from scripts.kill.campaign import Campaign, conduct
from scripts.kill.results import as_json, repeat_command, table, wrong
from scripts.kill.scenarios import all_scenarios
from scripts.trials.names import named

DESCRIPTION = """Kill every command at every file operation, give it again, and compare what is left.

A trial kills a command with SIGKILL before its n-th file operation, between two writes to a file, or some milliseconds
later, and maybe a second time when it goes on. Then the command is given again, with --resume or with --overwrite. All
files must be those of an uninterrupted run, but for the numbers that are times, and none may be over. Linux alone.
Exit status 1: one was not."""
_KEYS = {"machine", "seed", "minutes", "operations", "trials", "kills", "equal", "wrong"}
_FIGURES = ResultsFile("scripts.kill", frozenset(_KEYS))


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which commands, and for how long."""

    minutes: float = 2.0
    """Begin no trial after so many minutes; every scenario has one, and making ready comes before."""
    seed: int = 0
    """Decides where is killed."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME…", help_behavior_hint="(default: all)")] = ()
    """Which scenarios."""
    trial: Annotated[
        int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: as many as there is time for)")
    ] = None
    """This trial of each scenario alone, counted from 0."""
    workers: int = 2
    """Processes at a time."""
    keep: Path = Path("kill-faults")
    """Takes the folders of trials that went wrong."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write the figures there too, as JSON."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, kill, say.

    Raises:
        InputError: an option cannot be used, or a command fails without any kill.
        SystemExit: status 1, a trial went wrong.
    """
    options = parse_options(Arguments, arguments, prog="python -m scripts.kill", description=DESCRIPTION)
    require_range("--minutes", options.minutes, 0, 1e6)
    require_range("--workers", options.workers, 1, 64)
    require_range("--seed", options.seed, 0, 2**31 - 1)
    chosen = named({scenario.name: scenario for scenario in all_scenarios()}, options.only)
    if options.output is not None:
        _FIGURES.require_replaceable("--output", options.output)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="distill-jax-kill-") as root:
        seconds, place = 60 * options.minutes, Path(root).resolve()
        keep = options.keep.absolute()
        campaign = Campaign(chosen, seconds, options.seed, options.workers, place, keep, options.trial)
        outcome = conduct(campaign, warn)
    say("\n" + table(outcome))
    say(f"\n{time.monotonic() - started:.0f} s with {options.workers} workers, seed {options.seed}")
    if options.output is not None:
        _FIGURES.write(options.output, as_json(campaign, outcome))
    faults = wrong(outcome)
    for result in faults:
        say(f"\n{result.verdict}: {result.words}\n  {repeat_command(result, options.seed)}")
    if faults:
        say(f"\ntheir folders are in {options.keep}")
        sys.exit(1)
