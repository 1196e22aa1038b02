"""The command line of the study of sizes: exports → cases → trainings → one table."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import tyro

from distill_jax.console import parse_options, say
from distill_jax.errors import InputError, Interrupted, require_range
from distill_jax.export.format import MANIFEST
from distill_jax.files import atomic_write, require_folder
from distill_jax.results_file import ResultsFile
from distill_jax.students.registry import student_kind
from scripts.sizes.cases import Case, cases_of, make
from scripts.sizes.results import ACCURACY, MACRO_F1, Row, markdown, other_scores, student_scores

RESULTS, PAGE = "sizes.json", "sizes.md"
_RESULTS = ResultsFile("scripts.sizes", frozenset({"program", "seeds", "cases"}))


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to train on, what, and how often."""

    export: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH…")] = (Path("exports/best"),)
    """Export folders of one class a row; with a split transfer, students are trained with it and without."""
    rows: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N…")] = (300, 1000, 3000)
    """Training rows to draw, besides all of them."""
    student: Annotated[tuple[str, ...], tyro.conf.arg(metavar="STUDENT…")] = ("fasttext", "cnn", "bilstm")
    """Students, all distilled by the default recipe."""
    seeds: int = 3
    """Trainings of each."""
    minutes: float = 0.0
    """Start no further training after so long; the same command goes on. 0: all are trained."""
    output: Path = Path("runs/sizes")
    """Folder of the cases' exports, the runs and the table; what is finished there stays."""


def main(arguments: list[str] | None = None) -> None:
    """Make the cases, train what is missing, write the table.

    Raises:
        InputError: an option or an export cannot be used, or a training is refused.
        Interrupted: Ctrl-C; the same command goes on.
    """
    options = parse_options(
        Arguments,
        arguments,
        prog="python -m scripts.sizes",
        description="Train the default students on data of many sizes, beside two simple baselines.",
    )
    require_range("--seeds", options.seeds, 2, 1000)
    for student in options.student:
        student_kind(student)
    require_folder("--output", options.output)
    _RESULTS.require_replaceable("--output", options.output / RESULTS, options.output / PAGE)
    for rows_asked in options.rows:
        require_range("--rows", rows_asked, 1, float("inf"))
    cases = cases_of(options.export, options.rows)
    if len({case.key for case in cases}) < len(cases):
        raise InputError("--export: expected folders of different names, got two of one name")
    deadline = time.monotonic() + 60 * options.minutes if options.minutes else float("inf")
    rows: list[Row] = []
    known: dict[Case, dict[str, float]] = {}
    for student in options.student:  # the fast ones first, so that there is a table early
        rows = [row for case in cases for row in _rows(case, student, options, deadline, known)]
        _write(rows, options)
    say(markdown(rows, options.student, options.seeds))
    say(f"written to {options.output / PAGE} and {options.output / RESULTS}")


def _rows(
    case: Case, student: str, options: Arguments, deadline: float, known: dict[Case, dict[str, float]]
) -> Iterator[Row]:
    """Train one student on a case where there is time, and yield the case's lines, without a transfer set and with it.

    Args:
        case: the case.
        student: the student.
        options: the command line's.
        deadline: when no further training is started.
        known: the other models' scores by case, which are added.
    """
    folder = options.output / "exports" / case.key
    if not (folder / MANIFEST).is_file() and time.monotonic() > deadline:
        return
    export = make(case, folder)
    metric = MACRO_F1 if case.rare else ACCURACY
    if case not in known:
        known[case] = other_scores(export, metric)
    for transfer in (False, True) if export.transfer is not None else (False,):
        folders = {name: options.output / case.key / f"{name}{'-transfer' * transfer}" for name in options.student}
        if student_scores(folders[student], export, metric, options.seeds) is None and time.monotonic() < deadline:
            _train(folder, folders[student], student, transfer=transfer, seeds=options.seeds)
        scores = {
            name: found
            for name, place in folders.items()
            if (found := student_scores(place, export, metric, options.seeds)) is not None
        }
        texts = export.manifest.examples("transfer") if transfer else 0
        yield Row(case, len(export.label_names), len(export.train), texts, metric, known[case], scores)


def _train(export: Path, workdir: Path, student: str, *, transfer: bool, seeds: int) -> None:
    say(f"training {workdir}")
    words = ["--export", str(export), "--workdir", str(workdir), "--student", student, "--distil", "--resume"]
    words += ["--seeds", str(seeds), *([] if transfer else ["--no-transfer"])]
    workdir.parent.mkdir(parents=True, exist_ok=True)
    with workdir.with_suffix(".log").open("ab") as log:
        command = [sys.executable, "-m", "distill_jax.train", *words]
        try:
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the same command goes on") from None
    if done.returncode:
        raise InputError(f"{workdir}: the training ended with status {done.returncode}; {log.name} says why")


def _write(rows: list[Row], options: Arguments) -> None:
    options.output.mkdir(parents=True, exist_ok=True)
    value = {"seeds": options.seeds, "cases": [row.to_json() for row in rows]}
    _RESULTS.write(options.output / RESULTS, value, options.output / PAGE)
    with atomic_write(options.output / PAGE) as stream:
        stream.write(markdown(rows, options.student, options.seeds).encode())
