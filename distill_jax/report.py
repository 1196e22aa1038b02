"""Compare students with their teacher: a table here, and a page, a CSV file and a chart in a folder.

``python -m distill_jax.report RUN…``
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from distill_jax.console import parse_options, run_command, say, warn
from distill_jax.errors import InputError
from distill_jax.extras import require_extra
from distill_jax.files import atomic_write, remove_temporaries, require_folder, utf8
from distill_jax.locks import exclusive
from distill_jax.results_file import require_replaceable

if TYPE_CHECKING:
    from distill_jax.baselines.kept import KeptBaselines
    from distill_jax.runs.folder import Run

PAGE = "report.html"
RESULTS = "results.csv"
CLASSES = "classes.csv"
CHART = "history.png"
BASELINES = "baselines.npz"
_CHART_WIDTH = 720
_GENERATOR = b'<meta name="generator" content="distill-jax '  # in every page that this program has written
_MARKED_CHART = b'<meta name="chart" content="marked">'  # in a page whose chart says itself whose it is
_HEADERS = {RESULTS: b"model,run,student,", CLASSES: b"model,run,class,"}  # what every such table begins with
_HEAD = 1 << 12


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Compare students with their teacher, on the test rows that all of them share.

    Prints a table, and writes a page that works offline (report.html), the table's numbers (results.csv), those of each
    class (classes.csv), the chart of test macro F1 by epoch (history.png) and the simple baselines' answers
    (baselines.npz), which stand in the table too. Multi-label runs have F1 scores, average
    precision and those of each label instead, and runs of scores correlations and errors.
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
    choice: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """What python -m distill_jax.choose --json has written of these runs: the page then says which one to ship."""
    threshold: Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="(default: none)")] = None
    """Of scores: say too how well the texts of X and more are found (accuracy, precision, recall, F1)."""
    baselines: bool = True
    """Put simple baselines beside the students: TF-IDF with a linear model of scikit-learn, on the labels and on the
    teacher's logits, of at most 200,000 rows. They are trained once and kept in baselines.npz."""


def main() -> None:
    """Parse the command line and write the report."""
    config = parse_options(ReportConfig, None, prog="python -m distill_jax.report")
    require_extra("train", "a report")
    write_report(config)


def write_report(config: ReportConfig) -> Path:
    """Print the table, write the report's files and return the page's path.

    Raises:
        InputError: a run cannot be read, two cannot be compared, a file that is no report's would be replaced, or
            another process is writing a report there; nothing is written.
        OSError: a file cannot be written.
    """
    from distill_jax.baselines.kept import KeptBaselines
    from distill_jax.reporting.comparable_runs import find_runs, read_runs

    if config.output is not None:
        require_folder("--output", config.output)
    runs = read_runs(find_runs(config.runs))
    if config.threshold is not None:
        runs[0].task.above(config.threshold)  # a class has none: this says so, before baselines are trained
    title = f"Distillation report: {runs[0].config['export']['name']}" if config.title is None else config.title
    written = _written if runs[0].task.has_classes else _written_of_task
    output = _common_folder([run.folder for run in runs]) if config.output is None else config.output
    kept = _baselines(runs, output) if config.baselines else KeptBaselines()
    contents, said = written(runs, title, config.threshold, _choice(config.choice, runs), kept)
    if kept.content is not None:
        contents[BASELINES] = kept.content
    with exclusive(output / PAGE, "report"):  # all of it is computed before the first file is written
        ours = _ours(output)
        for name in contents:
            require_replaceable([output / name], "a report's", "name another folder with --output", ours=ours[name])
        remove_temporaries(output, *contents)
        if CLASSES not in contents and ours[CLASSES]:
            (output / CLASSES).unlink()  # of an earlier report, of other runs
        for name in reversed(contents):  # the page last: until then an earlier one says whose an old chart is
            with atomic_write(output / name) as stream:
                stream.write(contents[name])
    for line in said:
        say(line)
    say()
    *others, last = list(contents)[1:]
    say(f"wrote {output / PAGE}, {', '.join(others)} and {last} beside it")
    return output / PAGE


def _choice(path: Path | None, runs: "list[Run]") -> str:
    """Return the section on what to ship, as HTML; nothing without a choice's file."""
    if path is None:
        return ""
    from distill_jax.choosing.choice import read_choice
    from distill_jax.choosing.page import choice_section

    choice, data = read_choice(path), runs[0].config["export"].get("data_fingerprint")
    if choice.data is not None and data is not None and choice.data != data:
        raise InputError(
            f"--choice {path}: expected what was chosen on the runs' own test texts, got others' (data_fingerprint "
            f"{choice.data} and {data}); choose among these runs"
        )
    return choice_section(choice)


Written = tuple[dict[str, bytes], list[str]]
"""The report's files, the page first; and what is printed."""


def _baselines(runs: "list[Run]", output: Path) -> "KeptBaselines":
    """Return the simple baselines of the export that runs learned from, those kept beside an earlier report if any."""
    from distill_jax.baselines.kept import kept_baselines
    from distill_jax.runs.folder import export_path

    described, example_ids = runs[0].config["export"], runs[0].predictions.example_ids
    return kept_baselines(
        output / BASELINES,
        export_path(runs[0].folder),
        described,
        example_ids,
        lambda: warn("training the simple baselines, once …"),
    )


def _written(runs: "list[Run]", title: str, threshold: float | None, choice: str, kept: "KeptBaselines") -> Written:
    from distill_jax.reporting.chart_style import png
    from distill_jax.reporting.charts import history_chart
    from distill_jax.reporting.classes import classes_csv, terminal_classes
    from distill_jax.reporting.page import render_page
    from distill_jax.reporting.results import csv_text, terminal_table
    from distill_jax.reporting.seeds import terminal_seeds
    from distill_jax.reporting.summary import distillation, headline, notes
    from distill_jax.reporting.table import build_table

    del threshold  # a class has none
    table = build_table(runs, kept)
    contents = {
        PAGE: utf8(render_page(table, runs, title, choice)).encode(),
        RESULTS: utf8(csv_text(table)).encode(),
        CLASSES: utf8(classes_csv(table)).encode(),
        CHART: png(history_chart(runs, table, width=_CHART_WIDTH)),
    }
    seeds = terminal_seeds(table)
    words = (headline(table), distillation(table), *notes(table))
    classes = f"{table.best.model}, class by class:\n{terminal_classes(table)}\n"
    return contents, [terminal_table(table), "", classes, *([f"{seeds}\n"] if seeds else []), *words]


def _written_of_task(
    runs: "list[Run]", title: str, threshold: float | None, choice: str, kept: "KeptBaselines"
) -> Written:
    from distill_jax.reporting.chart_style import png
    from distill_jax.reporting.labels import has_labels, labels_csv, terminal_labels
    from distill_jax.reporting.task_report import csv_text, render_page, sentences, task_chart, terminal_table
    from distill_jax.reporting.task_table import build_task_table

    table = build_task_table(runs, threshold, kept)
    contents = {
        PAGE: utf8(render_page(table, runs, title, choice)).encode(),
        RESULTS: utf8(csv_text(table)).encode(),
        **({CLASSES: utf8(labels_csv(table)).encode()} if has_labels(table) else {}),
        CHART: png(task_chart(runs, table, width=_CHART_WIDTH)),
    }
    labels = [f"{terminal_labels(table)}\n"] if has_labels(table) else []
    return contents, [terminal_table(table), "", *labels, *sentences(table)]


def _ours(output: Path) -> dict[str, bool]:
    """Return which files a report has written: each says itself whose it is.

    Charts had not always a mark; such a one is its page's, which then says nothing of marks.
    """
    from distill_jax.baselines.kept import MARK
    from distill_jax.reporting.chart_style import PNG_MARK

    page = _head(output / PAGE)
    return {
        PAGE: _GENERATOR in page,
        CHART: PNG_MARK in _head(output / CHART) or (_GENERATOR in page and _MARKED_CHART not in page),
        BASELINES: MARK.encode() in _head(output / BASELINES),
        **{name: _head(output / name).startswith(header) for name, header in _HEADERS.items()},
    }


def _head(path: Path) -> bytes:
    """Return a file's beginning; nothing where there is no file."""
    if not path.is_file():
        return b""
    with path.open("rb") as stream:
        return stream.read(_HEAD)


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
