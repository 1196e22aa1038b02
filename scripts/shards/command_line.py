"""The command line: arguments → exports under kills → a table."""

import dataclasses
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

from distill_jax.console import format_table, parse_options, say
from distill_jax.errors import require_range
from scripts.benchmark.exports import write_texts
from scripts.benchmark.synthetic import Language
from scripts.benchmark.tiny_teacher import save_tiny_teacher
from scripts.shards.campaign import Campaign, Engine, Result
from scripts.trials.processes import answer_of, load
from teacher_export.cost.simulation import Job, mean_of

DESCRIPTION = """Compute an export's parts by several processes that are killed every few seconds, until it is finished.

A tiny teacher labels made-up texts. The files must be those of the export in one go, and nothing may be over. How long
it took stands beside how long the simulation says that it takes, of the parts' own seconds. Linux alone. Exit status 1:
a file was another."""
_VOCABULARY, _LENGTH, _WORDS = 2000, 64, 20
_SEEDS = range(50)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """How many kills of how many processes."""

    rows: int = 20_000
    """Rows of the export."""
    part_rows: int = 500
    """Rows of a part."""
    workers: tuple[int, ...] = (1, 2, 4)
    """Processes that share an export; one of each count, again and again."""
    engine: Engine = "processes"
    """What they are: commands of their own, or actors of a local Ray."""
    kills: int = 20
    """Kills in all, at least, and in each export at most, after one undisturbed export of each count."""
    every: float = 2.0
    """Mean seconds between two kills."""
    seed: int = 0
    """Decides who is killed, and when."""


def main(arguments: list[str] | None = None) -> None:
    """Parse, export, say.

    Raises:
        SystemExit: status 1, an export was not the same.
    """
    options = parse_options(Arguments, arguments, prog="python -m scripts.shards", description=DESCRIPTION)
    for name in ("rows", "part_rows"):
        require_range(f"--{name.replace('_', '-')}", getattr(options, name), 1, 1e9)
    with tempfile.TemporaryDirectory(prefix="distill-jax-shards-") as place:
        root = Path(place).resolve()
        load(root / "cache")
        answer_of(lambda: _make_inputs(root, options.rows))  # torch must not compute in this process
        data = ("--dataset", "table", "--data", "texts.csv", "--text-column", "text", "--label-column", "label")
        teacher = ("--teacher", "teacher", "--max-length", str(_LENGTH), "--precision", "float32")
        campaign = Campaign(root, (*data, *teacher, "--part-rows", str(options.part_rows)), options.seed)
        calm = campaign.export(options.engine, 1, 0.0, say)
        say(f"undisturbed: {calm.seconds:.1f} s, of which {calm.first:.1f} until the first part")
        results = [calm] if 1 in options.workers else []
        results += _conduct(campaign, options)
    say(_table(results, calm if options.engine == "processes" else None))
    faults = [fault for result in results for fault in result.faults]
    for fault in faults:
        say(fault)
    if faults:
        sys.exit(1)


def _make_inputs(root: Path, rows: int) -> None:
    language = Language(_VOCABULARY, _VOCABULARY // 2)
    save_tiny_teacher(root / "teacher", _VOCABULARY, _LENGTH)
    write_texts(root / "texts.csv", language, rows, _WORDS, _LENGTH, table=True)


def _conduct(campaign: Campaign, options: Arguments) -> list[Result]:
    """Export undisturbed by each count of several, then by each count under kills, again and again."""
    results: list[Result] = []

    def export(workers: int, every: float, most: int = 0) -> None:
        results.append(campaign.export(options.engine, workers, every, say, most))
        say(f"{workers} workers: {results[-1].kills} kills, {results[-1].seconds:.1f} s, {_verdict(results[-1])}")

    for workers in options.workers:
        if workers > 1:
            export(workers, 0.0)
    while (left := options.kills - sum(result.kills for result in results)) > 0:
        for workers in options.workers:
            export(workers, options.every, left)
    return results


def _verdict(result: Result) -> str:
    return "ANOTHER" if result.faults else "the same"


def _job(result: Result, calm: Result) -> Job:
    """Return what is simulated: a part's own seconds, and of an undisturbed process what comes before and between.

    Processes that share a processor are all slower by one factor, which their parts show. A process is killed each so
    many seconds, so each of several lives as many times as long.
    """
    mean, slower = statistics.mean(calm.part_seconds), statistics.mean(result.part_seconds)
    start = calm.first - calm.part_seconds[0]
    whole = (calm.seconds - start) / calm.parts / mean
    return Job(
        parts=result.parts,
        seconds=[seconds * whole for seconds in result.part_seconds],
        workers=result.workers,
        start=start * slower / mean,
        between_failures=result.every * result.workers if result.every else math.inf,
    )


def _table(results: list[Result], calm: Result | None) -> str:
    """Return the results; beside them what the simulation says, where an undisturbed process shows how one begins."""
    rows, header = [], ["workers", "kills", "parts", "s a part", "seconds", "bytes"]
    for result in results:
        seconds = f"{statistics.mean(result.part_seconds):.3f}", f"{result.seconds:.1f}"
        rows.append([str(result.workers), str(result.kills), str(result.parts), *seconds, _verdict(result)])
    took, kills = sum(result.seconds for result in results), sum(result.kills for result in results)
    rows.append(["all", str(kills), "", "", f"{took:.1f}", ""])
    if calm is not None:
        header += ["simulated", "off by"]
        simulated = [mean_of(_job(result, calm), _SEEDS).seconds for result in results]
        real = [*(result.seconds for result in results), took]
        for row, expected, passed in zip(rows, [*simulated, sum(simulated)], real, strict=True):
            row += [f"{expected:.1f}", f"{expected / passed - 1:+.0%}"]
    return f"\n{time.strftime('%d %B %Y')}\n" + format_table(header, rows)
