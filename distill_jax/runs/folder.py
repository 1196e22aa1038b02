"""The run folder: what training leaves behind, its names, and how it is read and validated.

``config.json``, ``history.csv``, ``metrics.json``, ``test_predictions.npz``, ``weights.npz``, ``tokenizer.json``, the
record of them all (``checksums.py``) and, while it is not finished, ``checkpoints/``.
The training loop writes under these names; reports and predictions read them. NumPy and the standard library only,
but for the history, which is a pandas table.
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.checksums import CHECKSUMS, read_checksums, require_recorded
from distill_jax.errors import InputError, MissingInputError, printable
from distill_jax.files import read_json
from distill_jax.npz import read_npz
from distill_jax.runs.config import has_checksums, upgraded
from distill_jax.runs.decision import files_of_decision, read_decision
from distill_jax.runs.history import COLUMNS as HISTORY_COLUMNS
from distill_jax.tasks import AS_THEY_ARE
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


CONFIG = "config.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
TEST_PREDICTIONS = "test_predictions.npz"
CHECKPOINTS = "checkpoints"
UNFINISHED = ".orbax-checkpoint-tmp"  # in the name of a checkpoint that is being written
WEIGHTS = "weights.npz"
TOKENIZER = "tokenizer.json"


_LONGEST_NAME = 1_000  # characters
_MOST_EPOCHS = 100_000  # as many as a training can be told
_PROGRAM = "distill-jax "  # what the field program of every configuration begins with


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The arrays of ``test_predictions.npz``, in the test split's row order.

    Attributes:
        example_ids: int64 [n], the row's number in the source.
        logits: float32 [n, classes], the student's.
        labels: of one class a row int32 [n], 0 … classes-1, or -1 = unlabelled; else as the task says.
        teacher_logits: float32 [n, classes].
    """

    example_ids: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    teacher_logits: np.ndarray


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder as read: the training has ended, every file is whole.

    Attributes:
        folder: where it is.
        config: ``config.json``; its objects are ``train``, ``export`` and, from training, ``student``.
        history: ``history.csv``, a row an epoch, the task's columns.
        metrics: ``metrics.json``, the kept epoch's numbers, sizes and speeds.
        predictions: ``test_predictions.npz``; where no row has a label, with the teacher's answers in their place.
        judged_by_teacher: whether they are in their place.
        task: what the rows are labelled with.
    """

    folder: Path
    config: dict[str, Any]
    history: "pd.DataFrame"
    metrics: dict[str, Any]
    predictions: Predictions
    judged_by_teacher: bool = False
    task: Task = SINGLE_LABEL

    @property
    def model(self) -> str:
        """The model's name in the history, such as ``CNN (distilled)``."""
        return printable(str(self.history["model"].iloc[-1]))

    @property
    def label_names(self) -> list[str]:
        """The classes' names, in class order."""
        return list(map(printable, self.config["export"]["label_names"]))


def task_of(config: dict[str, Any], folder: Path) -> Task:
    """Return what the rows of a run with a configuration are labelled with.

    Raises:
        InputError: this version knows no such task.
    """
    student = config.get("student")
    said = student if isinstance(student, dict) else {}
    standardisation = said.get("standardisation", AS_THEY_ARE)
    try:
        if not isinstance(standardisation, list | tuple):
            raise InputError(f"standardisation: expected a list, got {standardisation!r}")
        return task_named(said.get("task", SINGLE_LABEL.name), standardisation)
    except InputError as error:
        raise InputError(f"run configuration {folder / CONFIG}: student: {error}") from None


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run of this program, finished or not: its ``config.json`` names who wrote it.

    Another program's folder may have files of the same names; it is never taken for a run, and so never deleted.
    """
    folder = Path(folder)
    try:
        config = read_json(folder / CONFIG, "run configuration")
    except InputError:
        # A broken configuration beside our own history is a run all the same: reading it will say what is wrong.
        return (folder / CONFIG).is_file() and _is_own_history(folder / HISTORY)
    return isinstance(config.get("train"), dict) and str(config.get("program")).startswith(_PROGRAM)


def _is_own_history(path: Path) -> bool:
    if not path.is_file():
        return False
    header = ",".join(HISTORY_COLUMNS[:2]).encode()  # what every task's begins with
    with path.open("rb") as stream:
        return stream.read(len(header)) == header


def has_results(folder: Path) -> bool:
    """Return whether a run's training has ended: its metrics, history and test predictions are there and recorded."""
    folder = Path(folder)
    if not all((folder / name).is_file() for name in (METRICS, HISTORY, TEST_PREDICTIONS)):
        return False
    config = read_json(folder / CONFIG, "run configuration")
    return not has_checksums(config) or METRICS in read_checksums(folder)


def is_saved_student(folder: Path) -> bool:
    """Return whether a folder holds a student without its training: no results, and nothing to go on from."""
    names = (METRICS, HISTORY, CHECKPOINTS)
    whole = (folder / WEIGHTS).is_file() and (folder / TOKENIZER).is_file()
    return whole and not any((folder / name).exists() for name in names)


def read_run(folder: Path) -> Run:
    """Read and validate a run folder.

    Raises:
        MissingInputError: no such folder, or it holds no run.
        InputError: the training has not ended, or a file is broken: the message names file, field and what was found.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingInputError(
            f"run folder {folder}: there is no such folder; train a student with python -m distill_jax.train, "
            "or name another folder"
        )
    if not (folder / CONFIG).is_file():
        raise MissingInputError(
            f"run folder {folder}: it has no {CONFIG}, so it holds no run; name a folder that "
            "python -m distill_jax.train wrote"
        )
    with unreplaced(folder):
        return _read_run(folder)


@contextlib.contextmanager
def unreplaced(folder: Path) -> Iterator[None]:
    """Read a run's files within, and raise ``InputError`` where another run has taken its place between two of them.

    What is wrong with the files of a run that is being deleted is not said: it comes of that.
    """
    message = f"run folder {folder}: it was written anew while it was read; wait for that, and read again"
    config, names = _written(folder)
    try:
        yield
    except InputError:
        config_now, names_now = _written(folder)
        if config_now != config or names - names_now:
            raise InputError(message) from None
        raise
    if _written(folder)[0] != config:
        raise InputError(message)


def _written(folder: Path) -> tuple[bytes, set[str]]:
    """Return a run's configuration, and the names of its whole files and checkpoints."""
    config = (folder / CONFIG).read_bytes() if (folder / CONFIG).is_file() else b""
    found = [*folder.glob("*"), *(folder / CHECKPOINTS).glob("*")]
    return config, {path.name for path in found if not path.name.startswith(".") and UNFINISHED not in path.name}


def _read_run(folder: Path) -> Run:
    config = read_config(folder)
    if not has_results(folder):
        if is_saved_student(folder):
            raise InputError(
                f"run folder {folder}: it holds a student that was saved or converted, without a training's results, "
                "which a report compares; name the run that it comes from"
            )
        results = (METRICS, HISTORY, TEST_PREDICTIONS)
        missing = next((name for name in results if not (folder / name).is_file()), f"whole {CHECKSUMS}")
        raise InputError(
            f"run folder {folder}: it has no {missing} yet, so its training has not ended; wait for it, or go on with "
            "it: the same python -m distill_jax.train command with --resume"
        )
    task = read_decision(folder, task_of(config, folder), len(config["export"]["label_names"]))
    run = Run(
        folder=folder,
        config=config,
        history=read_history(folder / HISTORY, task),
        metrics=_read_metrics(folder / METRICS),
        predictions=read_predictions(folder / TEST_PREDICTIONS, len(config["export"]["label_names"]), task),
        task=task,
    )
    require_whole(folder, CONFIG, HISTORY, METRICS, TEST_PREDICTIONS, *files_of_decision(folder))
    labels = task.references(run.predictions.labels, run.predictions.teacher_logits)
    if labels is run.predictions.labels:
        return run
    predictions = dataclasses.replace(run.predictions, labels=labels)
    return dataclasses.replace(run, predictions=predictions, judged_by_teacher=True)


def require_whole(folder: Path, *names: str) -> None:
    """Raise ``InputError`` where a file is not as the training wrote it; a run from before 0.2 has no record to ask."""
    if (folder / CHECKSUMS).is_file() or has_checksums(read_json(folder / CONFIG, "run configuration")):
        remedy = "copy the run again, go on with its training (--resume), or train again with --overwrite"
        require_recorded(folder, *names, what="run folder", remedy=remedy)


def read_config(folder: Path) -> dict[str, Any]:
    """Read and validate a run folder's ``config.json``, in today's form.

    Raises:
        MissingInputError: there is none.
        InputError: it is no JSON, of another format version, or lacks a field.
    """
    path = Path(folder) / CONFIG
    where = f"run configuration {path}"
    config = upgraded(read_json(path, "run configuration"), where)
    train, export = _require(config, "train", dict, where), _require(config, "export", dict, where)
    _require(train, "student", str, f"{where}: train")
    _require(train, "distil", bool, f"{where}: train")
    _require(export, "name", str, f"{where}: export")
    _require(export, "teacher", dict, f"{where}: export")
    names = _require(export, "label_names", list, f"{where}: export")
    fault = task_of(config, Path(folder)).check_label_names(names)
    if fault:
        raise InputError(f"{where}: export: label_names: {fault}")
    if len(set(names)) != len(names):
        raise InputError(f"{where}: export: label_names: expected different names, got {names!r}")
    _require_agreement(config.get("student"), export, where)
    return config


def _require_agreement(student: Any, export: dict[str, Any], where: str) -> None:
    """Refuse a student that is not of the export's classes and vocabulary; what one of them does not say agrees."""
    if not isinstance(student, dict):
        return
    said = {**export, "num_labels": len(export["label_names"])}
    for name in ("num_labels", "vocab_size", "pad_id"):
        if name in student and name in said and student[name] != said[name]:
            raise InputError(
                f"{where}: student: {name}: expected {said[name]!r}, the export's, got {student[name]!r}; the file is "
                "of two runs: copy the run again, or train again"
            )


def export_path(folder: Path) -> Path | None:
    """Return the folder of the export that a run was trained on, as it was named then; None where it lies no more."""
    path = Path(str(read_config(folder)["export"].get("path", "")))
    return path if path.name and (path / "manifest.json").is_file() else None


def read_history(path: Path, task: Task = SINGLE_LABEL) -> "pd.DataFrame":
    """Read and validate a ``history.csv``: the task's columns, a row an epoch; a number that is not finite stays so.

    Raises:
        InputError: it is no CSV in UTF-8, lacks a column, has no row, holds text where a number belongs, or epochs that
            do not ascend.
    """
    import pandas as pd

    try:
        history = pd.read_csv(path, dtype=str)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"history {path}: expected a CSV file in UTF-8, got something else ({error})") from None
    columns = (*task.history_columns, "model")
    missing = [column for column in columns if column not in history.columns]
    if missing:
        raise InputError(f"history {path}: missing column {missing[0]!r}; it has {', '.join(history.columns)}")
    if history.empty:
        raise InputError(f"history {path}: expected a row an epoch, got none")
    for column in history.columns.intersection([*columns[:-1], *task.validation_columns]):
        cells = enumerate(history[column], start=1)
        history[column] = [_number(cell, f"history {path}: row {row}: {column}") for row, cell in cells]
    _require_epochs(history["epoch"].to_numpy(), path)
    history["epoch"] = history["epoch"].astype(int)
    longest = max(len(str(name)) for name in history["model"])
    if longest > _LONGEST_NAME:  # a chart's legend would take minutes
        raise InputError(
            f"history {path}: model: expected a name of at most {_LONGEST_NAME:,} characters, got {longest:,}"
        )
    return history


def _number(cell: str | float, where: str) -> float:
    """Return a cell's number to its last digit, as not every pandas reads it; a missing one is NaN."""
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"{where}: expected a number, got {cell!r}") from None


def _require_epochs(epochs: np.ndarray, path: Path) -> None:
    """Raise ``InputError`` unless epochs are whole numbers that ascend, of which none is too large to count to."""
    wrong = ~((epochs >= 0) & (epochs <= _MOST_EPOCHS) & (epochs == np.floor(epochs)))
    wrong[1:] |= epochs[1:] <= epochs[:-1]
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise InputError(
            f"history {path}: row {row + 1}: epoch: expected whole numbers that ascend, got {epochs[row]:g}"
        )


def read_predictions(path: Path, num_labels: int, task: Task = SINGLE_LABEL) -> Predictions:
    """Read and validate a ``test_predictions.npz``, unpickling nothing.

    Raises:
        InputError: it is no ``.npz`` file, lacks an array, or one has a wrong type, shape or value.
    """
    where = f"test predictions {path}"
    names = [field.name for field in dataclasses.fields(Predictions)]
    predictions = Predictions(**read_npz(path, "test predictions", names))
    _validate_predictions(predictions, num_labels, where, task)
    return predictions


def _validate_predictions(predictions: Predictions, num_labels: int, where: str, task: Task) -> None:
    rows = predictions.example_ids.size
    expected = {
        "example_ids": (np.dtype(np.int64), (rows,)),
        "logits": (np.dtype(np.float32), (rows, num_labels)),
        "labels": (task.label_dtype, task.label_shape(rows, num_labels)),
        "teacher_logits": (np.dtype(np.float32), (rows, num_labels)),
    }
    for name, (dtype, shape) in expected.items():
        array = getattr(predictions, name)
        if array.dtype != dtype or array.shape != shape:
            raise InputError(f"{where}: {name}: expected {dtype} {list(shape)}, got {array.dtype} {list(array.shape)}")
    for name in ("logits", "teacher_logits"):
        finite = np.isfinite(getattr(predictions, name)).all(axis=1)
        if not finite.all():
            row = int(np.argmin(finite))
            raise InputError(f"{where}: {name} (row {row}): expected finite numbers; train again")
    fault = task.check_labels(predictions.labels, num_labels)
    if fault:
        raise InputError(f"{where}: labels (row {fault[0]}): {fault[1]}")


def _read_metrics(path: Path) -> dict[str, Any]:
    metrics = read_json(path, "run metrics")
    for name in ("epochs_done", "parameters", "bytes"):
        _require(metrics, name, int, f"run metrics {path}")
    return metrics


def _require(value: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return a field of the given type; raise ``InputError`` where it is missing or of another."""
    kinds = {int: "a whole number", str: "a string", list: "a list", dict: "a JSON object", bool: "true or false"}
    if name not in value:
        raise InputError(f"{where}: missing field {name!r}")
    found = value[name]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise InputError(f"{where}: {name}: expected {kinds[kind]}, got {found!r}")
    return found


def scored(run: Run, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the labelled test rows and the answers that the logits give for them."""
    labels = run.predictions.labels
    labelled = run.task.is_labelled(labels)
    return labels[labelled], run.task.answers(logits[labelled])
