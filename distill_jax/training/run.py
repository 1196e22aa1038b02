"""Train a student from an export folder into a run folder; what ``python -m distill_jax.train`` does."""

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from distill_jax.config import TrainConfig
from distill_jax.console import format_table, path_word, resume_command, say, shell_line, stop_on_signal, warn
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.errors import InputError, Interrupted
from distill_jax.files import require_folder, require_no_links, require_utf8
from distill_jax.formats.registry import load
from distill_jax.inference.logits import predict_logits
from distill_jax.inference.measure_speed import measure_text_speed
from distill_jax.jax_setup import platform
from distill_jax.locks import clear_leftovers, exclusive
from distill_jax.metrics.classification import NOTEBOOK_EVAL_BATCH, mean_of_batch_means
from distill_jax.runs.checkpoints import (
    Snapshot,
    has_checkpoint,
    load_snapshot,
    save_checkpoint,
)
from distill_jax.runs.folder import CHECKPOINTS, HISTORY, read_history
from distill_jax.runs.history import history_frame, write_history
from distill_jax.runs.seed_scores import seed_folders
from distill_jax.runs.weights import require_layout, write_weights
from distill_jax.runs.writer import (
    RunState,
    begin_run,
    delete_run,
    finish_run,
    prepare_run,
    run_config,
    tidy_run,
    training_figures,
)
from distill_jax.students.params import Params
from distill_jax.students.student import Student, to_device
from distill_jax.tasks.task import Task
from distill_jax.training import processes
from distill_jax.training.epoch_rows import EpochRows
from distill_jax.training.example_checks import check_examples
from distill_jax.training.fit import FitResult, NonFiniteLossError, fit
from distill_jax.training.run_data import TrainData
from distill_jax.training.start_embeddings import params_from, vectors_sha256

_MOST_CHECKPOINTS = 10  # few rows are read a hundred times in a second, and a checkpoint takes a tenth of one
_MOST_SECONDS = 60  # between two, but for the rest of an epoch


@dataclasses.dataclass(frozen=True)
class TrainRun:
    """One training: from where, how, to where.

    Attributes:
        export: the export folder.
        workdir: the run folder.
        train: how to train.
        student: fields of ``StudentConfig`` that differ from its defaults.
        resume: go on with an unfinished run.
        overwrite: delete the run that is there.
        elsewhere: go on also where another processor or version computes, and other last bits come of it.
        command: the words of the command line that asked for it, for the message that says how to go on; without
            them it speaks of ``resume``.
    """

    export: Path
    workdir: Path
    train: TrainConfig
    student: dict[str, Any]
    resume: bool = False
    overwrite: bool = False
    elsewhere: bool = False
    command: tuple[str, ...] = ()

    @property
    def how_to_resume(self) -> str:
        """What goes on with this training where it was interrupted."""
        if not self.command:
            return "the same TrainRun with resume=True, overwrite=False"
        return resume_command("distill_jax.train", self.command)


def train_run(run: TrainRun, data: TrainData | None = None) -> bool:
    """Train, write the run folder, print the history and where everything is.

    Returns:
        Whether a signal came in the last epoch, which ends the run as it would have ended: nothing should follow it.

    Args:
        run: what to train.
        data: what was read of the export for a run that differs in its seed alone; None = read it.

    Raises:
        InputError: the export folder, the run folder or the configuration is not usable, or another process is
            writing the run folder.
        NonFiniteLossError: the loss is no longer a finite number; the message says what is kept.
        Interrupted: Ctrl-C; the message says what is kept and holds the command that goes on.
    """
    data = data or TrainData(run.export, run.train, run.student)
    with held_folders(run) as seeds:
        return train_in_held_folder(run, data, seeds)


@contextlib.contextmanager
def held_folders(run: TrainRun, further: Iterable[Path] = ()) -> Iterator[list[Path]]:
    """Keep other processes off the run folder and, where it is to be overwritten, off those of its further seeds.

    Args:
        run: what is to be trained.
        further: folders of seeds that are to be trained too.

    Yields:
        The further seeds' folders.

    Raises:
        InputError: another process is writing one of them, or the first can be no folder.
    """
    require_folder("--workdir", run.workdir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(exclusive(run.workdir, "run folder"))
        for left in run.workdir.glob(".seed-*.lock"):  # of a killed training of a seed that may be there no longer
            clear_leftovers(run.workdir / left.name[1:].removesuffix(".lock"), "run folder")
        seeds = sorted({*further, *(seed_folders(run.workdir) if run.overwrite else ())})
        for folder in seeds:
            require_no_links(run.workdir, [folder.name], "run folder")
            stack.enter_context(exclusive(folder, "run folder"))
        yield seeds


def train_in_held_folder(run: TrainRun, data: TrainData, seeds: Iterable[Path] = ()) -> bool:
    """Do what ``train_run`` does, in a folder that the caller keeps other processes off, as those of ``seeds``."""
    student = data.student
    with processes.leading() as tell:
        state = run_state(run, data)
        if state == "done":
            tidy_run(run.workdir, run.train)
            say(f"{run.workdir} holds this run already, finished; --overwrite trains it again")
            _say_history(run.workdir, student.config.labelling)
            return False
        export = data.export
        train = _rows(run, data)
        params = params_from(data.start_table, student, run.train.seed)
        progress = _Progress(run, student.config.labelling)
        if state != "overwrite":  # which deletes the link
            require_no_links(run.workdir, [progress.checkpoints.name], "run folder")
        with _saying_what_is_kept(run, progress):
            snapshot = progress.load(student) if state == "resume" and has_checkpoint(progress.checkpoints) else None
            if state == "overwrite":
                delete_run(run.workdir, seeds)
            begin_run(run.workdir, _config(run, data), export.tokenizer)  # now that what is there can be gone on with
            tell(snapshot)
            result, should_stop = _fit(run, params, data, train, progress, snapshot)
            figures = _finish(run, result, train, export.test)
    _say_history(run.workdir, student.config.labelling)
    say(figures)
    if fault := result.shortfall:
        warn(f"{fault}: train longer (--epochs {2 * len(result.history)})")
    say(f"predict with: echo 'a text' | python -m distill_jax.predict --run {shell_line([path_word(run.workdir)])}")
    return should_stop


def follow_run(run: TrainRun) -> None:
    """Do a process's share of what another one does by ``train_run``, which writes.

    Raises:
        InputError: as ``train_run``; or that process refuses, or has another run folder.
        Interrupted: as there.
    """
    data = TrainData(run.export, run.train, run.student)
    student = data.student
    train = _rows(run, data)
    params = params_from(data.start_table, student, run.train.seed)
    progress = _Progress(run, student.config.labelling)
    is_to_train, snapshot = processes.told_beginning(partial(progress.load, student))
    if not is_to_train:
        return
    try:
        _fit(run, params, data, train, progress, snapshot)
    except (Interrupted, KeyboardInterrupt) as reason:
        raise Interrupted(f"{reason or 'interrupted'}; process 0 keeps what is done") from None


def _rows(run: TrainRun, data: TrainData) -> Examples | StoredExamples:
    """Return the rows that are trained on, which fit the student."""
    train, export = data.train(run.train.seed), data.export
    check_examples(data.student, run.train, train=train, test=export.test, validation=export.validation)
    # Steps and speed count no others than those that are trained on.
    return train if run.train.distil else train.labelled(data.student.config.labelling)


class _Progress:
    """Saves a run's snapshots, and says how far the latest goes."""

    def __init__(self, run: TrainRun, task: Task) -> None:
        self._run, self._task, self.checkpoints = run, task, run.workdir / CHECKPOINTS
        self._saved: tuple[int, int] | None = None
        self._when = time.monotonic()

    def load(self, student: Student) -> Snapshot:
        """Return the latest snapshot, which must be the student's and no later than the end.

        Raises:
            InputError: it is another student's, or later; or as ``load_snapshot``.
        """
        snapshot, asked = load_snapshot(self.checkpoints), self._run.train.epochs
        done = snapshot.epoch + (snapshot.step > 0)
        if done > asked:
            raise InputError(
                f"run folder {self._run.workdir}: expected --epochs {done} or more, as far as its training has come, "
                f"got {asked}; name another with --workdir, or give --overwrite to train again"
            )
        require_layout(student.config, snapshot.params, self._run.workdir)
        self._saved = snapshot.epoch, snapshot.step
        return snapshot

    def is_due(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot should be saved: not after each of many short epochs, but the last one, and on the way."""
        train = self._run.train
        may_be_last = snapshot.epoch == train.epochs or train.patience or snapshot.step
        every = -(-train.epochs // _MOST_CHECKPOINTS)
        late = time.monotonic() - self._when >= _MOST_SECONDS
        return bool(may_be_last or late or snapshot.epoch % every == 0)

    def save(self, snapshot: Snapshot) -> None:
        """Save a snapshot and the epochs' numbers; raises what ``save_checkpoint`` does."""
        save_checkpoint(self.checkpoints, snapshot)
        self._saved, self._when = (snapshot.epoch, snapshot.step), time.monotonic()
        if not processes.leads():
            return
        write_history(
            self._run.workdir / HISTORY, history_frame(snapshot.history, self._run.train.model_name, self._task)
        )

    @property
    def kept(self) -> str:
        """What a training that is stopped now keeps, in words; epochs count from 1."""
        if self._saved is None:  # not read, or the very first is being saved
            return "the last checkpoint is kept" if has_checkpoint(self.checkpoints) else "nothing is kept yet"
        epoch, step = self._saved
        return f"epoch {epoch + 1} up to step {step} is kept" if step else f"epoch {epoch} is kept"


@contextlib.contextmanager
def _saying_what_is_kept(run: TrainRun, progress: _Progress) -> Iterator[None]:
    """Add to what stops a training what is kept of it, and how to go on where that makes sense."""
    try:
        yield
    except NonFiniteLossError as error:
        raise NonFiniteLossError(f"{error} ({progress.kept})") from None
    except (Interrupted, KeyboardInterrupt) as reason:
        what = str(reason) or "interrupted"
        raise Interrupted(f"{what}; {progress.kept}. Go on with:\n  {run.how_to_resume}") from None


def _finish(run: TrainRun, result: FitResult, train: Examples | StoredExamples, test: Examples) -> str:
    """Write what a finished run holds; return its size and speed in words."""
    write_history(run.workdir / HISTORY, result.history)  # a kill may have left it one epoch behind the checkpoint
    write_weights(run.workdir, result.params)
    metrics = _metrics(result, len(EpochRows.of(train, run.train)))
    speed = measure_text_speed(load(run.workdir), test.tokens)
    metrics["raw_text_documents_per_second"] = dataclasses.asdict(speed)
    assert result.test_logits is not None  # the test split was given
    finish_run(run.workdir, run.train, metrics, result.test_logits, test, result.task)
    return (
        f"{metrics['parameters']:,} parameters, {result.seconds:.1f} s of training, "
        f"{speed.median:,.0f} documents/s from raw text; written to {run.workdir}"
    )


def run_state(run: TrainRun, data: TrainData) -> RunState:
    """Return what a run's folder holds, as ``prepare_run`` does, which refuses what must not be touched."""
    asked = {"resume": run.resume, "overwrite": run.overwrite, "elsewhere": run.elsewhere}
    state = prepare_run(run.workdir, _config(run, data), **asked)
    if state != "done":
        require_utf8(run.workdir.absolute(), "run folder")  # Orbax writes in no other
    return state


def _config(run: TrainRun, data: TrainData) -> dict[str, Any]:
    vectors = vectors_sha256(run.train.embeddings)
    about = data.student.config, run.export, data.export.manifest, data.teacher_speed
    return run_config(run.train, *about, platform(), vectors)


def _fit(
    run: TrainRun,
    params: Params,
    data: TrainData,
    train: Examples | StoredExamples,
    progress: _Progress,
    snapshot: Snapshot | None,
) -> tuple[FitResult, bool]:
    """Train; return what came of it, and whether a signal came too late to stop it."""
    if snapshot is not None:
        say(f"going on from epoch {snapshot.epoch + 1}, step {snapshot.step + 1}")
    else:
        _say_sanity_check(data.student, params, data.export.test)

    with stop_on_signal() as should_stop:

        def save(snapshot: Snapshot) -> None:
            # Clocks differ, and all save together.
            if processes.agreed(lambda: progress.is_due(snapshot) or should_stop())():
                progress.save(snapshot)

        result = fit(
            data.student,
            params,
            train=train,
            test=data.export.test,
            config=run.train,
            validation=data.export.validation,
            resume=snapshot,
            on_epoch=save,
            should_stop=processes.agreed(should_stop),
            show_progress=processes.leads(),
        )
        return result, should_stop()


def _say_sanity_check(student: Student, params: Any, test: Examples) -> None:
    """Say how the untrained student does: about as chance does, or something is wrong."""
    task = student.config.labelling
    references = task.references(test.labels, test.teacher_logits)
    if references is not test.labels:
        say("no test text has a label: its scores are agreement with the teacher's answers")
    labelled = task.is_labelled(references)
    labels = references[labelled]
    logits = predict_logits(student, to_device(params), test.tokens, test.length)[labelled]
    loss = mean_of_batch_means(task.losses(logits, labels), NOTEBOOK_EVAL_BATCH)
    say(f"before training: {task.untrained(loss, labels, task.answers(logits), student.config.num_labels)}")


def _metrics(result: FitResult, epoch_rows: int) -> dict[str, Any]:
    figures = training_figures(
        result.history,
        result.kept_epoch,
        result.params,
        result.seconds,
        at_chance=result.at_chance,
        still_learns=result.still_learns,
        task=result.task,
    )
    return {
        **figures,
        "train_examples_per_second": epoch_rows * len(result.history) / result.seconds,
        "device": jax.devices()[0].device_kind,
    }


def _say_history(workdir: Path, task: Task) -> None:
    history = read_history(workdir / HISTORY, task)
    numbers = history[list(task.history_columns)].to_numpy(float)
    rows = [[str(int(epoch)), *map(_score_text, scores)] for epoch, *scores in numbers]
    say(f"\n{history['model'].iloc[-1]}")
    say(format_table(task.history_columns, rows) + "\n")


def _score_text(score: float) -> str:
    return f"{score:.4f}" if np.isfinite(score) else "-"
