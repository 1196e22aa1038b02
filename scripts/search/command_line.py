"""The command line of the search: arguments → study → trials → table, and the command that trains the best."""

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.config import TrainConfig
from distill_jax.console import parse_options, shell_line
from distill_jax.errors import InputError, require_range
from distill_jax.extras import require_extra
from distill_jax.recipes import DEFAULT_RECIPE
from distill_jax.students.registry import recipe_student, student_names
from scripts.search.space import SPACES


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to search, within which budget, and where the trials are kept."""

    student: Annotated[str, tyro.conf.arg(metavar="{" + ",".join(student_names()) + "}")] = "cnn"
    """The student whose settings are searched; it is distilled, from its best recipe on."""
    export: Path = Path("exports/best")
    """The export folder; it needs a validation split (make best makes one)."""
    minutes: float = 10.0
    """Stop after so many minutes; the trial under way is then given up, and is the first of the next time."""
    trials: Annotated[
        int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: as many as there is time for)")
    ] = None
    """Stop after so many trials."""
    max_bytes: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: any size)")] = None
    """Largest student, four bytes a parameter; larger ones are not trained."""
    rows: int = 50_000
    """Most rows of train and transfer split together that a trial learns from."""
    study: Annotated[
        Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: runs/search/<student>.db)")
    ] = None
    """The file that keeps the trials; the same command again goes on with them."""
    seed: int = 0
    """Decides the rows, each trial's training, and what is tried."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, search, print.

    Raises:
        InputError: an option cannot be used, or Optuna is missing.
        Interrupted: Ctrl-C; the message holds the command that goes on.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.search",
        description="Search the settings of a distilled student that score best on the validation split.",
    )
    _require_usable(options)
    from distill_jax.jax_setup import configure_jax

    # No space searches the optimiser, so the recipe's is every trial's.
    optimizer = TrainConfig.of_recipe(DEFAULT_RECIPE, options.student).optimizer
    configure_jax(fused_loops=recipe_student(options.student).takes_sparse_steps(optimizer))
    from scripts.search.search import Search, search

    words = sys.argv[1:] if arguments is None else arguments
    search(
        Search(
            student=options.student,
            export=options.export,
            seconds=60 * options.minutes,
            trials=options.trials,
            max_bytes=options.max_bytes,
            rows=options.rows,
            study=options.study or Path("runs/search") / f"{options.student}.db",
            seed=options.seed,
            command=shell_line(["python", "scripts/search", *words]),
        )
    )


def _require_usable(options: Arguments) -> None:
    """Refuse what can be refused before anything heavy is imported."""
    require_range("--minutes", options.minutes, 0, 1e6, low_open=True)
    require_range("--rows", options.rows, 1, 2**31 - 1)
    require_range("--seed", options.seed, 0, 2**31 - 1)
    for name, value in (("--trials", options.trials), ("--max-bytes", options.max_bytes)):
        if value is not None:
            require_range(name, value, 1, float("inf"))
    if options.student not in SPACES:
        raise InputError(f"--student: expected one of {', '.join(SPACES)}, got {options.student!r}")
    require_extra("search", "searching")
