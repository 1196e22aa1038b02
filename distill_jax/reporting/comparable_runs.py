"""Which runs a report compares: folders expanded to runs, read, checked to be comparable, and named."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import warn
from distill_jax.errors import InputError, MissingInputError, printable
from distill_jax.runs.folder import Run, has_results, is_run, is_saved_student, read_run

_SEARCH_DEPTH = 2  # so that runs/demo and runs both name the runs below them


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """Return the run folders that ``folders`` name: each itself, or the runs up to two levels below it, sorted.

    A run below a named folder that has no results is left out with a warning; a named one is kept, for ``read_run`` to
    refuse.

    Raises:
        MissingInputError: a folder does not exist.
        InputError: a folder is no run and holds none, or none that has results.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise MissingInputError(
                f"run folder {folder}: there is no such folder; train a student with python -m distill_jax.train, "
                "or name another folder"
            )
        for run in [folder] if is_run(folder) else _runs_below(folder):
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _runs_below(folder: Path) -> list[Path]:
    runs = _search(folder, _SEARCH_DEPTH)
    if not runs:
        raise InputError(
            f"run folder {folder}: expected a run, or a folder with runs in it, found neither; train a student with "
            "python -m distill_jax.train"
        )
    finished = [run for run in runs if has_results(run)]
    if not finished:
        raise InputError(
            f"run folder {folder}: none of its runs ({len(runs)}) has a training's results to report; of the first, "
            f"{runs[0]}, {_without_results(runs[0])}"
        )
    for run in runs:
        if run not in finished:
            warn(f"warning: run folder {run}: {_without_results(run)}, so the report leaves it out")
    return finished


def _without_results(run: Path) -> str:
    """Return why a run has no results."""
    if is_saved_student(run):
        return "it holds a student that was saved or converted, without a training's results"
    return "its training has not ended"


def _search(folder: Path, depth: int) -> list[Path]:
    runs = []
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        if is_run(child):
            runs.append(child)
        elif depth > 1:
            runs += _search(child, depth - 1)
    return runs


def names_of(runs: Sequence[Run]) -> list[str]:
    """Return the names of runs that are compared; a run that is compared with itself keeps its own."""
    is_one = len({run.folder.resolve() for run in runs}) == 1
    return [run.model for run in runs] if is_one else display_names(runs)


def read_runs(
    folders: Sequence[Path],
    *,
    together: str = "stand in one report",
    remedy: str = "report on them one by one",
    one_export: bool = True,
) -> list[Run]:
    """Read the runs and check that they can stand in one table.

    Args:
        folders: run folders.
        together: what cannot be done with runs that do not fit together, for the message.
        remedy: what to do instead, for the message.
        one_export: whether they must be of one teacher's logits too; else of one data set with labels, its texts
            included.

    Raises:
        InputError: there is none, one is broken, or two differ in their test rows, classes or teacher.
    """
    if not folders:
        raise InputError("expected at least one run folder, got none; name runs, or a folder with runs in it")
    runs = [read_run(folder) for folder in folders]
    for run in runs[1:]:
        both = f"runs {runs[0].folder} and {run.folder} cannot {together}"
        _require_same_rows(runs[0], run, both, remedy)
        if one_export or runs[0].judged_by_teacher:
            _require_same_teacher(runs[0], run, both, remedy)
        elif exports_of(runs[0], run):
            _require_same_texts(runs[0], run, both, remedy)
    _warn_of_other_data(runs)
    return runs


def exports_of(first: Run, other: Run) -> tuple[str, str] | None:
    """Return what to call the exports of two runs and their teachers; None where the teachers' logits are the same."""
    same_logits = np.array_equal(first.predictions.teacher_logits, other.predictions.teacher_logits)
    if same_logits and _teacher_of(first) == _teacher_of(other):
        return None
    exports = [run.config["export"] for run in (first, other)]
    words = [f"{export['name']} (teacher {export['teacher'].get('name', 'unnamed')})" for export in exports]
    return printable(words[0]), printable(words[1])


def other_teachers_note(exports: tuple[str, str] | None) -> list[str]:
    """Return the line that says of which exports two runs are, where ``exports_of`` names two."""
    if exports is None:
        return []
    return [f"A is of the export {exports[0]}, B of {exports[1]}: KL and agreement are each with its own teacher"]


def _require_same_rows(first: Run, other: Run, both: str, remedy: str) -> None:
    if first.task.name != other.task.name:
        raise InputError(f"{both}: their tasks differ, {first.task.name} and {other.task.name}; {remedy}")
    if first.label_names != other.label_names:
        raise InputError(f"{both}: their classes differ, {first.label_names} and {other.label_names}; {remedy}")
    ours, theirs = first.predictions, other.predictions
    if not np.array_equal(ours.example_ids, theirs.example_ids):
        counts = f"{len(ours.example_ids):,} and {len(theirs.example_ids):,} rows"
        raise InputError(f"{both}: they were tested on different rows ({counts}, other example_ids); {remedy}")
    # Equal bytes, for a score that is missing is NaN and equals nothing.
    differ = [a.tobytes() != b.tobytes() for a, b in zip(ours.labels, theirs.labels, strict=True)]
    if any(differ):
        row = differ.index(True)
        raise InputError(f"{both}: the labels of their test rows differ, first in row {row}; {remedy}")


def _require_same_teacher(first: Run, other: Run, both: str, remedy: str) -> None:
    teachers = [_teacher_of(run) for run in (first, other)]
    if teachers[0] != teachers[1]:
        raise InputError(f"{both}: their teachers differ, fingerprints {teachers[0]} and {teachers[1]}; {remedy}")
    if exports_of(first, other):
        raise InputError(f"{both}: the same teacher's logits differ, so their exports do; {remedy}")


def _teacher_of(run: Run) -> Any:
    return run.config["export"]["teacher"].get("fingerprint")


def _require_same_texts(first: Run, other: Run, both: str, remedy: str) -> None:
    """Raise ``InputError`` unless both exports say that they are of the same texts; equal labels do not show it."""
    data = [run.config["export"].get("data_fingerprint") for run in (first, other)]
    if not all(isinstance(each, str) for each in data):
        run = first if not isinstance(data[0], str) else other
        raise InputError(
            f"{both}: they are of two exports, and {run.folder} does not say of which texts (data_fingerprint); train "
            f"it again, or {remedy}"
        )
    if data[0] != data[1]:
        raise InputError(
            f"{both}: their exports are of other texts, or of other splits of them, data_fingerprint {data[0]} and "
            f"{data[1]}; export both with the same data options, or {remedy}"
        )


def _warn_of_other_data(runs: Sequence[Run]) -> None:
    """Say that equal labels and logits alone show that test texts are the same, where the exports' data differ."""
    known = [run for run in runs if isinstance(run.config["export"].get("data_fingerprint"), str)]
    for run in known[1:]:
        if run.config["export"]["data_fingerprint"] != known[0].config["export"]["data_fingerprint"]:
            warn(
                f"warning: runs {known[0].folder} and {run.folder}: their exports are of other texts, or of other "
                "splits of them (data_fingerprint); they stand together because ids, labels and the teacher's answers "
                "of their test rows are the same"
            )
            return


def display_names(runs: Sequence[Run]) -> list[str]:
    """Return a different name for each run: its model's, with what tells its folder apart where models repeat."""
    counts = Counter(run.model for run in runs)
    return [run.model if counts[run.model] == 1 else f"{run.model}, {folder_name(run, runs)}" for run in runs]


def folder_name(run: Run, runs: Sequence[Run]) -> str:
    """Return the shortest end of a run folder's path that no other run's ends with."""
    parts = run.folder.resolve().parts
    for length in range(1, len(parts) + 1):
        tail = parts[-length:]
        if sum(other.folder.resolve().parts[-length:] == tail for other in runs) == 1:
            return "/".join(tail)
    return str(run.folder)
