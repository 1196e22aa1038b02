"""Train a student from an export folder into a run folder; what ``python -m distill_jax.train`` does."""

import contextlib
import dataclasses
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from distill_jax.batches import Examples, concatenate, read_examples
from distill_jax.checkpoints import has_checkpoint, load_snapshot, save_checkpoint
from distill_jax.config import StudentConfig, TrainConfig
from distill_jax.console import format_table, say
from distill_jax.embeddings import initial_params
from distill_jax.errors import InputError, Interrupted, MissingInputError
from distill_jax.evaluation import (
    NOTEBOOK_EVAL_BATCH,
    cross_entropies,
    mean_of_batch_means,
    predict_logits,
    to_device,
)
from distill_jax.export_format import TOKENIZER, Manifest, read_manifest
from distill_jax.files import read_json
from distill_jax.history import NUMBER_COLUMNS, history_frame, write_history
from distill_jax.predictor import load_tokenizer
from distill_jax.run_folder import CHECKPOINTS, HISTORY, read_history
from distill_jax.run_writer import begin_run, delete_run, finish_run, prepare_run, resume_command, run_config, timed
from distill_jax.students import Params, Student, parameter_count
from distill_jax.training import FitResult, Snapshot, check_examples, fit


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
    """

    export: Path
    workdir: Path
    train: TrainConfig
    student: dict[str, Any]
    resume: bool = False
    overwrite: bool = False


def train_run(run: TrainRun) -> None:
    """Train, write the run folder, print the history and where everything is.

    Raises:
        InputError: the export folder, the run folder or the configuration is not usable.
        Interrupted: Ctrl-C; the checkpoint is saved, the message holds the command that goes on.
    """
    manifest = read_manifest(run.export)
    if not (run.export / TOKENIZER).is_file():
        raise MissingInputError(f"export folder {run.export}: it has no {TOKENIZER}; export again")
    student = Student(
        StudentConfig(
            run.train.student,
            vocab_size=manifest.vocab_size,
            num_labels=manifest.num_labels,
            pad_id=manifest.pad_id,
            **run.student,
        )
    )
    _require_tokens_in_vocabulary(run.export / TOKENIZER, manifest.vocab_size)
    config = run_config(run.train, student.config, run.export, manifest, _teacher_speed(run.export))
    state = prepare_run(run.workdir, config, resume=run.resume, overwrite=run.overwrite)
    if state == "done":
        say(f"{run.workdir} holds this run already, finished; --overwrite trains it again")
        _say_history(run.workdir)
        return
    say(f"reading {run.export}: {manifest.examples('train'):,} training and {manifest.examples('test'):,} test rows")
    train, test = _read_training_rows(run, manifest), read_examples(run.export, manifest, "test")
    validation = read_examples(run.export, manifest, "validation") if "validation" in manifest.splits else None
    check_examples(student, train, test, run.train)
    params = initial_params(student, run.train, run.export, manifest)
    if state == "overwrite":
        delete_run(run.workdir)
    begin_run(run.workdir, config, run.export / TOKENIZER)
    try:
        result = _fit(run, student, params, train, test, validation, manifest)
    except Interrupted as reason:
        raise Interrupted(f"{reason}; saved. Go on with:\n  {resume_command('distill_jax.train')}") from None
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; the last checkpoint is kept. Go on with:\n  {resume_command('distill_jax.train')}"
        ) from None
    metrics = _metrics(result, student, train, test)
    finish_run(run.workdir, metrics, result.test_logits, test)
    _say_history(run.workdir)
    say(
        f"{metrics['parameters']:,} parameters, {result.seconds:.1f} s of training, "
        f"{metrics['predict_examples_per_second']:,.0f} documents/s from token ids; written to {run.workdir}"
    )
    say(f"predict with: echo 'a text' | python -m distill_jax.predict --run {run.workdir}")


def _require_tokens_in_vocabulary(path: Path, vocab_size: int) -> None:
    """Refuse a tokenizer that knows more tokens than the student has embeddings: JAX would clamp their ids silently."""
    tokens = load_tokenizer(path, 1 << 20).get_vocab()
    token = max(tokens, key=tokens.__getitem__)
    if tokens[token] >= vocab_size:
        raise InputError(
            f"tokenizer {path}: expected ids below {vocab_size} (the manifest's vocab_size), got {tokens[token]} for "
            f"{token!r}; the tokenizer and the manifest belong to different exports"
        )


def _read_training_rows(run: TrainRun, manifest: Manifest) -> Examples:
    """Return the training rows, followed by the transfer split's where the training learns from it."""
    train = read_examples(run.export, manifest, "train")
    if not (run.train.distil and run.train.transfer and "transfer" in manifest.splits):
        return train
    transfer = read_examples(run.export, manifest, "transfer").share(run.train.transfer_share, run.train.seed)
    say(f"and {len(transfer):,} rows that the teacher alone has labelled")
    return concatenate(train, transfer)


def _fit(
    run: TrainRun,
    student: Student,
    params: Params,
    train: Examples,
    test: Examples,
    validation: Examples | None,
    manifest: Manifest,
) -> FitResult:
    snapshot = None
    checkpoints = run.workdir / CHECKPOINTS
    if run.resume and has_checkpoint(checkpoints):
        snapshot = load_snapshot(checkpoints)
        say(f"going on from epoch {snapshot.epoch + 1}, step {snapshot.step + 1}")
    else:
        _say_sanity_check(student, params, test, manifest)
    steps = -(-len(train) // run.train.batch_size)

    def save(snapshot: Snapshot) -> None:
        save_checkpoint(checkpoints, snapshot, snapshot.epoch * steps + snapshot.step)
        write_history(run.workdir / HISTORY, history_frame(snapshot.history, run.train.model_name))

    with stop_on_signal() as should_stop:
        return fit(
            student,
            params,
            train=train,
            test=test,
            config=run.train,
            validation=validation,
            resume=snapshot,
            on_epoch=save,
            should_stop=should_stop,
            show_progress=True,
        )


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM came; a second one interrupts at once."""
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say_sanity_check(student: Student, params: Any, test: Examples, manifest: Manifest) -> None:
    """Say how the untrained student does: about chance, with a loss near ln(classes), or something is wrong."""
    labelled = test.labels >= 0
    labels = test.labels[labelled]
    logits = predict_logits(student, to_device(params), test.input_ids)[labelled]
    loss = mean_of_batch_means(cross_entropies(logits, labels), NOTEBOOK_EVAL_BATCH)
    accuracy = (logits.argmax(axis=1) == labels).mean()
    say(
        f"before training: test accuracy {accuracy:.3f} (chance: {1 / manifest.num_labels:.3f}), "
        f"cross-entropy {loss:.3f}"
    )


def _metrics(result: FitResult, student: Student, train: Examples, test: Examples) -> dict[str, Any]:
    params = to_device(result.params)
    _, seconds = timed(predict_logits, student, params, test.input_ids)
    count = parameter_count(result.params)
    kept = result.history.iloc[result.kept_epoch]
    scores = {name: float(kept[name]) for name in NUMBER_COLUMNS if name != "epoch"}
    return {
        "epochs_done": len(result.history),
        "kept_epoch": result.kept_epoch,
        **{name: value if math.isfinite(value) else None for name, value in scores.items()},
        "parameters": count,
        "bytes": 4 * count,
        "train_seconds": result.seconds,
        "train_examples_per_second": len(train) * len(result.history) / result.seconds,
        "predict_examples_per_second": len(test) / seconds,
        "device": jax.devices()[0].device_kind,
    }


def _teacher_speed(export: Path) -> float | None:
    """Return the teacher's documents a second as its export measured them, None where that is not known."""
    path = export / "timing.json"
    if not path.is_file():
        return None
    speed = read_json(path, "timing").get("teacher_documents_per_second")
    return float(speed) if isinstance(speed, int | float) else None


def _say_history(workdir: Path) -> None:
    history = read_history(workdir / HISTORY)
    numbers = history[list(NUMBER_COLUMNS)].to_numpy(float)
    rows = [[str(int(row[0])), *(f"{value:.4f}" for value in row[1:])] for row in numbers]
    say(f"\n{history['model'].iloc[-1]}")
    say(format_table(NUMBER_COLUMNS, rows) + "\n")
