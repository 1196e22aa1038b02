"""Compare students with their teacher: a table here, and a page, a CSV file and a chart in a folder.

``python -m distill_jax.report RUN…``
"""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.errors import InputError
from distill_jax.files import atomic_write, remove_temporaries, utf8
from distill_jax.locks import exclusive
from distill_jax.results_file import require_replaceable

PAGE = "report.html"
RESULTS = "results.csv"
CLASSES = "classes.csv"
CHART = "history.png"
_CHART_WIDTH = 720
_GENERATOR = b'<meta name="generator" content="distill-jax '  # in every page that this program has written
_HEADER = b"model,run,student,"  # and what every table of results begins with
_CLASSES_HEADER = b"model,run,class,"  # of every table of classes
_HEAD = 1 << 12


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Compare students with their teacher, on the test rows that all of them share.

    Prints a table, and writes a page that works offline (report.html), the table's numbers (results.csv), those of each
    class (classes.csv) and the chart of test macro F1 by epoch (history.png).
    """

    runs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN…", help_behavior_hint="(required)")
    ]
    """Run folders, or folders with runs in them, such as runs/demo."""
    output: Annotated[
        Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="(default: the folder the runs have in common)")
    ] = None
    """Where the files go."""
    title: Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="(default: names the export)")] = None
    """The page's title."""


def main() -> None:
    """Parse the command line and write the report."""
    config = parse_options(ReportConfig, None, prog="python -m distill_jax.report")
    write_report(config)


def write_report(config: ReportConfig) -> Path:
    """Print the table, write the report's files and return the page's path.

    Raises:
        InputError: a run cannot be read, two cannot be compared, a file that is no report's would be replaced, or
            another process is writing a report there; nothing is written.
        OSError: a file cannot be written.
    """
    from distill_jax.reporting.chart_style import png
    from distill_jax.reporting.charts import history_chart
    from distill_jax.reporting.classes import classes_csv, terminal_classes
    from distill_jax.reporting.comparable_runs import find_runs, read_runs
    from distill_jax.reporting.page import render_page
    from distill_jax.reporting.results import csv_text, terminal_table
    from distill_jax.reporting.seeds import terminal_seeds
    from distill_jax.reporting.summary import distillation, headline, notes
    from distill_jax.reporting.table import build_table

    if config.output is not None and config.output.exists() and not config.output.is_dir():
        raise InputError(f"--output: expected a folder, {config.output} is a file")
    runs = read_runs(find_runs(config.runs))
    table = build_table(runs)
    title = f"Distillation report: {table.export_name}" if config.title is None else config.title
    output = _common_folder([run.folder for run in runs]) if config.output is None else config.output
    contents = {  # the page comes first: it says whose files the others are
        PAGE: utf8(render_page(table, runs, title)).encode(),
        RESULTS: utf8(csv_text(table)).encode(),
        CLASSES: utf8(classes_csv(table)).encode(),
        CHART: png(history_chart(runs, table, width=_CHART_WIDTH)),
    }
    with exclusive(output / PAGE, "report"):  # all of it is computed before the first file is written
        _require_replaceable(output, contents)
        remove_temporaries(output, *contents)
        for name, content in contents.items():
            with atomic_write(output / name) as stream:
                stream.write(content)
    say(terminal_table(table))
    say()
    say(f"{table.best.model}, class by class:")
    say(terminal_classes(table))
    say()
    if seeds := terminal_seeds(table):
        say(f"{seeds}\n")
    for sentence in (headline(table), distillation(table), *notes(table)):
        say(sentence)
    say()
    say(f"wrote {output / PAGE}, {RESULTS}, {CLASSES} and {CHART} beside it")
    return output / PAGE


def _require_replaceable(output: Path, names: Iterable[str]) -> None:
    """Refuse to replace files that no report of ours lies with.

    Reports had not always a table of classes, so that one is told by its own header.
    """
    page = output / PAGE
    ours = _begins(page, _GENERATOR) or (not page.exists() and _begins(output / RESULTS, _HEADER))
    classes, remedy = output / CLASSES, "name another folder with --output"
    paths = [output / name for name in names if name != CLASSES]
    require_replaceable(paths, "a report's", remedy, ours=ours)
    require_replaceable([classes], "a report's", remedy, ours=_begins(classes, _CLASSES_HEADER))


def _begins(path: Path, mark: bytes) -> bool:
    """Whether a file has a mark of ours in its beginning."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return mark in stream.read(_HEAD)


def _common_folder(runs: list[Path]) -> Path:
    """Return the parent that the runs have in common, as short as it was given where it was given relative."""
    if len({run.parent for run in runs}) == 1:
        return runs[0].parent
    return Path(os.path.commonpath([run.resolve().parent for run in runs]))


def command() -> None:
    """Run the command line and exit with its status."""
    run_command(main)


if __name__ == "__main__":
    command()
