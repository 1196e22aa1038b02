"""The command line: arguments → inputs → a table."""

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
from scripts.trials.names import named

DESCRIPTION = """Give every loader damaged and hostile inputs, and see that it reads them rightly or refuses them.

An input is a whole one of a corpus that is made here, changed at random in its bytes or in its values. A loader must
end in a right answer or in one sentence: another exception, an abort, an answer that is none, a file written, a minute
or a gigabyte taken is a fault. Linux alone. Exit status 1: there was one."""
_FIGURES = ResultsFile("scripts.fuzz", frozenset({"machine", "seed", "inputs", "loaders", "faults"}))


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which loaders, and for how long."""

    minutes: float = 2.0
    """Begin no input after so many minutes; every loader has one, and making the corpus comes before."""
    inputs: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: any number)")] = None
    """End after so many inputs of all loaders."""
    seed: int = 0
    """Decides the inputs."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME…", help_behavior_hint="(default: all)")] = ()
    """Which loaders."""
    input: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: one after the other)")] = None
    """This input of each loader alone, counted from 0."""
    workers: int = 2
    """Processes at a time."""
    keep: Path = Path("fuzz-faults")
    """Takes the inputs of faults."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write the figures there too, as JSON."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, try, say.

    Raises:
        InputError: an option cannot be used.
        SystemExit: status 1, there was a fault.
    """
    options = parse_options(Arguments, arguments, prog="python -m scripts.fuzz", description=DESCRIPTION)
    require_range("--minutes", options.minutes, 0, 1e6)
    require_range("--workers", options.workers, 1, 64)
    require_range("--seed", options.seed, 0, 2**31 - 1)
    if options.output is not None:
        _FIGURES.require_replaceable("--output", options.output)
    from scripts.fuzz.campaign import Campaign, conduct
    from scripts.fuzz.corpus import write_corpus
    from scripts.fuzz.loaders.registry import all_loaders
    from scripts.fuzz.results import as_json, causes, repeat_command, table
    from scripts.trials.processes import load

    chosen = named({loader.name: loader for loader in all_loaders()}, options.only)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="distill-jax-fuzz-") as root:
        place = Path(root).resolve()
        load(place / "cache")
        write_corpus(place, {name for loader in chosen for name in (loader.source, *loader.beside) if name is not None})
        warn(f"the corpus took {time.monotonic() - started:.0f} s")
        campaign = Campaign(
            loaders=chosen,
            seconds=60 * options.minutes,
            most=options.inputs,
            seed=options.seed,
            workers=options.workers,
            inputs=place / "inputs",
            place=place / "work",
            keep=options.keep.absolute(),
            only=options.input,
        )
        outcome = conduct(campaign, warn)
    say("\n" + table(outcome))
    say(f"\n{time.monotonic() - started:.0f} s with {options.workers} workers, seed {options.seed}")
    if options.output is not None:
        _FIGURES.write(options.output, as_json(campaign, outcome))
    for fault, count in causes(outcome):
        say(f"\n{fault.cause}, {count:,} times; {fault.change}\n{fault.words}\n  {repeat_command(fault, options.seed)}")
    if outcome.faults:
        say(f"\ntheir inputs are in {options.keep}")
        sys.exit(1)
