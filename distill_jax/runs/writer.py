"""Write a run folder while a student trains: configuration first, history and checkpoint as it goes, metrics last."""

import contextlib
import dataclasses
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from distill_jax import __version__
from distill_jax.checksums import CHECKSUMS, record_files
from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.errors import InputError
from distill_jax.export.format import TOKENIZER, Manifest
from distill_jax.files import (
    atomic_write,
    first_difference,
    is_temporary,
    read_json,
    remove_temporaries,
    write_json,
)
from distill_jax.locks import is_lock
from distill_jax.metrics.interval import finite
from distill_jax.runs.checkpoints import KEPT, delete_checkpoints, has_checkpoint
from distill_jax.runs.config import FORMAT_VERSION, student_of, training_of
from distill_jax.runs.decision import DECISION, write_decision
from distill_jax.runs.folder import (
    CHECKPOINTS,
    CONFIG,
    HISTORY,
    METRICS,
    TEST_PREDICTIONS,
    WEIGHTS,
    has_results,
    is_run,
    is_saved_student,
    read_config,
)
from distill_jax.runs.seed_scores import SEEDS, seed_folders
from distill_jax.students.config import StudentConfig
from distill_jax.students.params import Params, parameter_count
from distill_jax.students.registry import student_to_json
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

RunState = Literal["new", "overwrite", "resume", "done"]
# In the order of their deletion: weights without a history would be a saved student (``is_saved_student``).
_OWN_FILES = (CHECKSUMS, WEIGHTS, HISTORY, METRICS, DECISION, TEST_PREDICTIONS, TOKENIZER, SEEDS, CONFIG)
_PLATFORM = {
    "processor": "the processor",
    "processors": "as many processors as",
    "device": "the device",
    "jax": "jax",
    "environment": "the environment's variables",
}
_OFF_THE_CPU = ("device", "jax", "environment")  # what numbers depend on where the processor does not compute them


def run_config(
    train: TrainConfig,
    student: StudentConfig,
    export: Path,
    manifest: Manifest,
    teacher_speed: dict[str, Any],
    platform: dict[str, Any] | None = None,
    vectors: str | None = None,
) -> dict[str, Any]:
    """Return the contents of ``config.json``: everything needed to repeat the run and to predict from it.

    Args:
        train: how it is trained.
        student: what is trained.
        export: the export folder.
        manifest: its manifest.
        teacher_speed: what the export measured of its teacher (``TrainData.teacher_speed``).
        platform: what its last bits depend on (``jax_setup.platform``).
        vectors: the SHA-256 of the file that the embeddings start from; None = they start from none.
    """
    teacher = {**manifest.teacher, **teacher_speed}
    return {
        "format_version": FORMAT_VERSION,
        "program": f"distill-jax {__version__}",
        "train": dataclasses.asdict(train),
        "student": student_to_json(student),
        "export": {
            "name": export.absolute().name,
            "path": str(export),
            "fingerprint": manifest.fingerprint,
            "data_fingerprint": manifest.config.get("data_fingerprint"),
            "label_names": list(manifest.label_names),
            "vocab_size": manifest.vocab_size,
            "pad_id": manifest.pad_id,
            "max_length": manifest.max_length,
            "transfer_examples": manifest.examples("transfer"),
            "teacher": teacher,
        },
        **({} if vectors is None else {"embeddings_sha256": vectors}),
        **({} if platform is None else {"computed_on": [platform]}),
    }


def _identity(config: dict[str, Any], where: str) -> dict[str, Any]:
    """Return what must agree for two runs to be the same one; more epochs only go on with it.

    Under a schedule that looks ahead to the last epoch, another count of epochs is another run.
    """
    training = training_of(config, where)
    train = dataclasses.asdict(training)
    if training.can_go_on:
        train.pop("epochs")
    fingerprint = config.get("export", {}).get("fingerprint")
    return {
        "train": train,
        "student": student_to_json(student_of(config, where)),
        "export": {"fingerprint": fingerprint},
    }


def prepare_run(
    workdir: Path, config: dict[str, Any], *, resume: bool, overwrite: bool, elsewhere: bool = False
) -> RunState:
    """Make sure that ``workdir`` may hold this run, and say whether it is new, begun, done, or to take another's place.

    Nothing is written or deleted yet.

    Args:
        workdir: the run folder.
        config: the run's configuration.
        resume: go on with it.
        overwrite: let it take another's place.
        elsewhere: go on also where other bits would come of it.

    Raises:
        InputError: the folder holds another configuration's run, an unfinished one and ``resume`` was not asked for or
            would not end with the bits of a run that never stopped, or files that are no run's.
    """
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other: give one of them")
    if elsewhere and not resume:
        raise InputError("--resume-elsewhere goes with --resume, got it alone")
    if not workdir.exists() or all(is_temporary(path) or is_lock(path) for path in workdir.iterdir()):
        return "new"
    if not is_run(workdir):
        raise InputError(f"run folder {workdir}: expected an empty folder or a run, found other files; name another")
    if overwrite:
        return "overwrite"
    found, where = read_config(workdir), f"run configuration {workdir / CONFIG}"
    _require_same_run(workdir, found, config, where)
    if has_results(workdir) and training_of(found, where).epochs == config["train"]["epochs"]:
        return "done"
    if not resume:
        raise InputError(
            f"run folder {workdir}: it holds this run, unfinished; give --resume to go on with it, or --overwrite to "
            "start again"
        )
    if (workdir / METRICS).is_file() and not has_checkpoint(workdir / CHECKPOINTS):
        raise InputError(
            f"run folder {workdir}: it holds a finished training and no checkpoint to go on from (or {CHECKSUMS} is "
            "not whole); copy the run again, or give --overwrite to train again"
        )
    if not elsewhere:
        _require_same_platform(workdir, found, config, student_of(config, where))
    return "resume"


def _require_same_run(workdir: Path, found: dict[str, Any], config: dict[str, Any], where: str) -> None:
    """Refuse another run's configuration, and a student without its training; one of more epochs is the same run's.

    So is one of fewer where the run has not ended: how far it has come, its checkpoint knows.
    """
    if is_saved_student(workdir):
        raise InputError(
            f"run folder {workdir}: it holds a student that was saved or converted, and no training to go on with; "
            "name another with --workdir, or give --overwrite to delete it"
        )
    difference = first_difference(_identity(found, where), _identity(config, where))
    vectors = found.get("embeddings_sha256"), config.get("embeddings_sha256")
    if not difference and all(vectors) and vectors[0] != vectors[1]:  # older runs do not say, and a file may be gone
        difference = ("embeddings_sha256", *vectors)
    old_epochs, epochs = training_of(found, where).epochs, config["train"]["epochs"]
    if not difference and old_epochs > epochs and has_results(workdir):
        difference = ("train.epochs", old_epochs, epochs)
    if difference:
        name, old, new = difference
        raise InputError(
            f"run folder {workdir}: it holds another run: its {name} is {old!r}, this one's is {new!r}; "
            "name another with --workdir, or give --overwrite to delete it"
        )


def _require_same_platform(
    workdir: Path, found: Mapping[str, Any], config: Mapping[str, Any], student: StudentConfig
) -> None:
    """Refuse to go on where the run's last bits would not be those of one that never stopped."""
    platforms = _computed_on(found), _computed_on(config)
    if not all(platforms):  # version 0.1 recorded nothing
        return
    then, now = ({"environment": {}, **platform[-1]} for platform in platforms)
    for name in student.numbers_depend_on if now.get("device") == "cpu" else _OFF_THE_CPU:
        if then.get(name) != now.get(name):
            raise InputError(
                f"run folder {workdir}: it was computed with {_PLATFORM[name]} {then.get(name)!r}, here it is "
                f"{now.get(name)!r}, and its last bits would differ from those of a run that never stopped; go on "
                "there, or accept it with --resume-elsewhere"
            )


def _computed_on(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return where a run was computed, one platform after the other; [] where that is not known."""
    platforms = config.get("computed_on")
    whole = isinstance(platforms, list) and all(isinstance(platform, dict) for platform in platforms)
    return list(platforms) if whole and platforms else []


def delete_run(workdir: Path, seeds: Iterable[Path] | None = None) -> None:
    """Delete a run's files and the runs of its further seeds, and nothing else that may lie in the folder.

    The metrics go first and the configuration last: wherever a kill strikes, what is left is known for a run that has
    not ended.

    Args:
        workdir: the run folder.
        seeds: the further seeds' folders, which the caller keeps other processes off; None = all that are there.
    """
    (workdir / METRICS).unlink(missing_ok=True)
    for folder in filter(is_run, seed_folders(workdir) if seeds is None else seeds):
        if folder.is_symlink():
            continue
        delete_run(folder)
        with contextlib.suppress(OSError):  # something else lies in it
            folder.rmdir()
    if (workdir / CHECKPOINTS).is_symlink():
        (workdir / CHECKPOINTS).unlink()  # else the next run would take what lies there for its own
    delete_checkpoints(workdir / CHECKPOINTS)
    _remove_left(workdir)
    for name in _OWN_FILES:
        (workdir / name).unlink(missing_ok=True)


def _remove_left(workdir: Path) -> None:
    """Delete the temporary files that a killed training has left; of version 0.1's, those of a run's files alone."""
    remove_temporaries(workdir)
    remove_temporaries(workdir, *_OWN_FILES)


def begin_run(workdir: Path, config: dict[str, Any], tokenizer: bytes) -> None:
    """Write the configuration and the tokenizer's file, so that the folder is enough to predict from.

    A run that goes on elsewhere keeps where it was before.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    _remove_left(workdir)
    before = _computed_on(read_json(workdir / CONFIG, "run configuration")) if (workdir / CONFIG).is_file() else []
    now = _computed_on(config)
    if before and now:
        config = {**config, "computed_on": before if before[-1:] == now else [*before, *now]}
    for name in (
        CHECKSUMS,
        METRICS,
        SEEDS,
        WEIGHTS,
        DECISION,
    ):  # more epochs were asked for: the old figures no longer hold
        (workdir / name).unlink(missing_ok=True)
    write_json(workdir / CONFIG, config)  # first, so that a kill leaves a folder that is known for a run
    with atomic_write(workdir / TOKENIZER) as stream:
        stream.write(tokenizer)
    record_files(workdir, CONFIG, TOKENIZER)


def training_figures(
    history: "pd.DataFrame",
    kept_epoch: int,
    params: Params,
    seconds: float,
    *,
    at_chance: bool,
    still_learns: bool,
    task: Task,
) -> dict[str, Any]:
    """Return what ``metrics.json`` says of every training: the kept epoch's scores, the student's size, the time.

    Args:
        history: a row an epoch.
        kept_epoch: the epoch that the parameters are of.
        params: the student's parameters.
        seconds: spent in training steps.
        at_chance: whether the training stopped before it learnt anything.
        still_learns: whether it stopped in the midst of learning.
        task: what the rows are labelled with.
    """
    kept = history.iloc[kept_epoch]
    scores = {name: float(kept[name]) for name in task.history_columns if name != "epoch"}
    count = parameter_count(params)
    return {
        "epochs_done": len(history),
        "kept_epoch": kept_epoch,
        **{name: finite(value) for name, value in scores.items()},
        "parameters": count,
        "bytes": 4 * count,
        "train_seconds": seconds,
        "at_chance": at_chance,
        "still_learns": still_learns,
    }


def finish_run(
    workdir: Path,
    train: TrainConfig,
    metrics: dict[str, Any],
    logits: np.ndarray,
    test: Examples,
    task: Task = SINGLE_LABEL,
) -> None:
    """Write the test predictions, the metrics and, last of all, the record of all files: a run that has it is done.

    Checkpoints, which are several times the parameters' size, stay only where further epochs may be asked for.
    """
    buffer = io.BytesIO()
    assert test.example_ids is not None
    assert test.teacher_logits is not None
    np.savez(
        buffer,
        example_ids=test.example_ids,
        logits=logits.astype(np.float32),
        labels=test.labels,
        teacher_logits=test.teacher_logits,
    )
    with atomic_write(workdir / TEST_PREDICTIONS) as stream:
        stream.write(buffer.getvalue())
    write_decision(workdir, task)
    write_json(workdir / METRICS, metrics)
    record_files(workdir, HISTORY, METRICS, TEST_PREDICTIONS)  # the others are recorded as they are written
    tidy_run(workdir, train)


def tidy_run(workdir: Path, train: TrainConfig) -> None:
    """Delete what a finished run needs no longer, and what a kill at its very end has left of that."""
    _remove_left(workdir)
    needed = train.can_go_on or not (workdir / WEIGHTS).is_file()  # version 0.1 kept the parameters in a checkpoint
    delete_checkpoints(workdir / CHECKPOINTS, keep=KEPT if needed else 0)
