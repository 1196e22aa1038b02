"""The command line of the benchmark: arguments → matches → table, JSON and chart."""

import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from distill_jax.console import parse_options, progress, say, warn
from distill_jax.extras import require_packages
from distill_jax.files import atomic_write
from distill_jax.results_file import ResultsFile
from scripts.benchmark.catalogue import all_matches, choose, packages_of
from scripts.benchmark.machine import describe_machine, describe_versions
from scripts.benchmark.matches import FailedError, RefusedError, play
from scripts.benchmark.options import StudyOptions
from scripts.benchmark.report import chart, notes, table, to_json
from scripts.benchmark.rows import Match, Row, RowResult
from scripts.benchmark.sizes import FULL, QUICK

TABLE, CHART = "benchmark.json", "benchmark.png"
_TURNS = ResultsFile("scripts.benchmark", frozenset({"machine", "versions", "settings", "rows", "skipped"}))
_QUICK_REPEATS = 2


@dataclasses.dataclass(frozen=True)
class Arguments(StudyOptions):
    """What to measure, how often, and where the results go (benchmark.json and benchmark.png)."""

    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROW…")] = ()
    """Rows to measure, by name (default: all)."""
    export: Path = Path("exports/demo")
    """The demo's export folder, for the rows of raw text."""
    teacher: Path = Path("teachers/demo")
    """The demo's fine-tuned teacher, for its own rows and those of raw text."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, measure, write.

    Raises:
        InputError: an option cannot be used, or a package is missing.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.benchmark",
        description="Measure training, prediction, the teacher's pass and start-up, side by side with their peers.",
    )
    _TURNS.require_replaceable("--output", options.output / TABLE, options.output / CHART)
    with tempfile.TemporaryDirectory(prefix="distill-jax-benchmark-") as folder:
        sizes = QUICK if options.quick else FULL
        chosen = choose(all_matches(sizes, Path(folder), options.export, options.teacher), options.only)
        require_packages(*packages_of(chosen), what="the benchmark")
        started = time.perf_counter()
        results, skipped, failed = play_all(chosen, _QUICK_REPEATS if options.quick else options.repeats)
    settings = {**dataclasses.asdict(sizes), "repeats": options.repeats, "quick": options.quick}
    write_results(options.output, results, skipped, settings)
    if results:
        say("\n" + "\n".join([table(results), "", *notes(results)]))
    if skipped:
        say(f"\nnot measured, for the reasons above: {', '.join(row['name'] for row in skipped)}")
    say(f"\n{time.perf_counter() - started:.0f} s; every turn is in {options.output / TABLE}")
    if failed:
        sys.exit(1)


def play_all(chosen: list[tuple[Match, list[Row]]], repeats: int) -> tuple[list[RowResult], list[dict[str, str]], bool]:
    """Play the matches; return results, the rows that could not be measured with the reason, and whether any failed."""
    results: list[RowResult] = []
    skipped: list[dict[str, str]] = []
    failed = False
    with progress(sum(_turns(match, rows, repeats) for match, rows in chosen), "measuring", "turns") as bar:
        for match, rows in chosen:
            reason = match.skip
            if reason is None:
                bar.set_description(rows[0].name)
                try:
                    results += play(match, rows, repeats, lambda: bar.update(1))
                except (RefusedError, FailedError) as error:
                    reason = str(error)
                    failed = failed or isinstance(error, FailedError)
            if reason is not None:
                skipped += [{"name": row.name, "reason": reason} for row in rows]
                warn(f"skipped {', '.join(row.name for row in rows)}: {reason}")
    return results, skipped, failed


def _turns(match: Match, rows: list[Row], repeats: int) -> int:
    return 0 if match.skip is not None else len(match.sides_of(rows)) * (1 + match.turns(repeats))


def write_results(
    output: Path, results: list[RowResult], skipped: list[dict[str, str]], settings: dict[str, Any]
) -> None:
    """Write ``benchmark.json`` and, where targets were measured, ``benchmark.png``."""
    drawn = chart(results)
    value = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "settings": settings,
        "rows": [to_json(result) for result in results],
        "skipped": skipped,
    }
    _TURNS.write(output / TABLE, value, *([] if drawn is None else [output / CHART]))
    if drawn is not None:
        from distill_jax.reporting.chart_style import png

        with atomic_write(output / CHART) as stream:
            stream.write(png(drawn))
