"""``python -m distill_jax.compare RUN_A RUN_B``: is one student better than another, and how sure is that?"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.errors import InputError
from distill_jax.extras import require_extra
from distill_jax.locks import sole_writer
from distill_jax.options import Flag
from distill_jax.results_file import ResultsFile

_NUMBERS = ResultsFile("distill_jax.compare", frozenset({"first", "second", "lead", "test_rows"}))


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to compare with what."""

    run_a: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_A")]
    """A run folder, as python -m distill_jax.train writes it."""
    run_b: Annotated[
        Path | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN_B", help_behavior_hint="(required without --teacher)"),
    ] = None
    """Another, tested on the same rows; of the same export, or of another teacher's for the same data."""
    teacher: Annotated[bool, Flag()] = False
    """Compare RUN_A with its teacher instead of with RUN_B."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: not written)")] = None
    """Write all the numbers there too."""
    threshold: Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="(default: none)")] = None
    """Of scores: compare too how well the texts of X and more are found."""


def main() -> None:
    """Parse the command line, compare, print."""
    arguments = parse_options(
        Arguments,
        None,
        prog="python -m distill_jax.compare",
        description=(
            "Compare two students on the test rows that both were tested on: accuracy and macro F1 with their "
            "intervals, McNemar's exact test, and the probability that the first is the better one; of multi-label "
            "runs their F1 scores and average precision, of runs of scores their correlations and errors."
        ),
    )
    require_extra("train", "a comparison")
    compare(arguments)


def compare(arguments: Arguments) -> None:
    """Print the comparison and, where asked for, write its numbers.

    Raises:
        InputError: the options do not fit together, another's file would be replaced, a run cannot be read, or the two
            were tested on different rows.
        OSError: the file cannot be written.
    """
    if arguments.teacher == (arguments.run_b is not None):
        got = "RUN_B and --teacher" if arguments.teacher else "neither"
        raise InputError(f"expected either a second run (RUN_B) or --teacher, got {got}")
    if arguments.json is not None:
        _NUMBERS.require_replaceable("--json", arguments.json)
    numbers, lines = _compared(arguments)
    if arguments.json is not None:
        with sole_writer(arguments.json, "comparison"):
            _NUMBERS.write(arguments.json, numbers)
    for line in lines:
        say(line)
    if arguments.json is not None:
        say(f"wrote {arguments.json}")


def _compared(arguments: Arguments) -> tuple[dict[str, Any], list[str]]:
    """Return the comparison's numbers, and its lines."""
    from distill_jax.reporting.comparable_runs import read_runs
    from distill_jax.reporting.comparison import compare_runs, compare_with_teacher, comparison_json, comparison_text
    from distill_jax.reporting.task_comparison import compare_task_runs, task_comparison_json, task_comparison_text

    folders = [arguments.run_a] if arguments.run_b is None else [arguments.run_a, arguments.run_b]
    runs = read_runs(folders, together="be compared", remedy="compare runs of one export", one_export=False)
    if not runs[0].task.has_classes:
        found = compare_task_runs(runs[0], None if arguments.run_b is None else runs[1], arguments.threshold)
        return task_comparison_json(found), task_comparison_text(found)
    if arguments.threshold is not None:
        runs[0].task.above(arguments.threshold)  # a class has none: this says so
    comparison = compare_with_teacher(runs[0]) if arguments.run_b is None else compare_runs(*runs)
    return comparison_json(comparison), comparison_text(comparison)


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
