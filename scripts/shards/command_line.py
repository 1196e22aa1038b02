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
from scripts.shards.campaign import Campaign, Result
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
    kills: int = 20
    """Kills in all, at least; 0 = one export of each count, undisturbed."""
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
        calm = campaign.export(1, 0.0, say)
        say(f"undisturbed: {calm.seconds:.1f} s, of which {calm.first:.1f} until the first part")
        results = _conduct(campaign, options)
    say(_table(results, calm, options.every if options.kills else 0.0))
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
    results: list[Result] = []
    while True:
        for workers in options.workers:
            results.append(campaign.export(workers, options.every if options.kills else 0.0, say))
            say(f"{workers} workers: {results[-1].kills} kills, {results[-1].seconds:.1f} s")
        if sum(result.kills for result in results) >= options.kills:
            return results


def _job(result: Result, calm: Result, every: float) -> Job:
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
        between_failures=every * result.workers if every else math.inf,
    )


def _table(results: list[Result], calm: Result, every: float) -> str:
    rows = []
    for result in results:
        simulated = mean_of(_job(result, calm, every), _SEEDS)
        rows.append(
            [
                *(str(result.workers), str(result.kills), str(result.parts)),
                *(f"{statistics.mean(result.part_seconds):.3f}", f"{result.seconds:.1f}", f"{simulated.seconds:.1f}"),
                f"{simulated.seconds / result.seconds - 1:+.0%}",
                "the same" if not result.faults else "ANOTHER",
            ]
        )
    took = sum(result.seconds for result in results)
    expected = sum(mean_of(_job(result, calm, every), _SEEDS).seconds for result in results)
    kills = sum(result.kills for result in results)
    rows.append(["all", str(kills), "", "", f"{took:.1f}", f"{expected:.1f}", f"{expected / took - 1:+.0%}", ""])
    header = ["workers", "kills", "parts", "s a part", "seconds", "simulated", "off by", "bytes"]
    return f"\n{time.strftime('%d %B %Y')}\n" + format_table(header, rows)
