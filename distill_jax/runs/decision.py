"""``decision.json`` of a run folder: what a task has fitted to the validation split: thresholds, a temperature."""

from pathlib import Path

from distill_jax.checksums import read_checksums, record_files
from distill_jax.errors import InputError
from distill_jax.files import read_json, write_json
from distill_jax.tasks.task import Task

DECISION = "decision.json"
_REMEDY = "; copy the run again, or train again"


def write_decision(folder: Path, task: Task) -> None:
    """Write and record it; nothing where the task has nothing to say."""
    decision = task.decision()
    if decision:
        write_json(folder / DECISION, decision)
        record_files(folder, DECISION)


def files_of_decision(folder: Path) -> tuple[str, ...]:
    """Return the file's name, where there is one or the record names one; nothing where the task had nothing to say."""
    return (DECISION,) if (folder / DECISION).is_file() or DECISION in read_checksums(folder) else ()


def read_decision(folder: Path, task: Task, num_labels: int) -> Task:
    """Return the task as a run folder's file decides it; as it is where there is none.

    Raises:
        InputError: the file is no JSON, or not the task's.
    """
    path = folder / DECISION
    if not path.is_file():
        return task
    try:
        return task.decided(read_json(path, "decision"), num_labels)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"decision {path}: {error}{_REMEDY}") from None
