"""``student`` and ``fit`` for Python: from an export to a trained student in a few lines, without a word printed."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.config import TrainConfig, train_config
from distill_jax.data.examples import Examples, with_transfer
from distill_jax.data.exports import Export
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.files import atomic_folder, real_place, require_free
from distill_jax.inference.logits import predict_logits
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.jax_setup import platform
from distill_jax.locks import sole_writer
from distill_jax.recipes import DEFAULT_RECIPE
from distill_jax.runs.checkpoints import Snapshot
from distill_jax.runs.folder import HISTORY
from distill_jax.runs.history import write_history
from distill_jax.runs.weights import write_weights
from distill_jax.runs.writer import begin_run, finish_run, run_config, training_figures
from distill_jax.students.own_module import OwnModuleConfig
from distill_jax.students.registry import student_config, student_kind
from distill_jax.students.student import Student, to_device
from distill_jax.training.fit import FitResult
from distill_jax.training.fit import fit as fit_params
from distill_jax.training.length import fitted_to_rows
from distill_jax.training.row_weights import weighted
from distill_jax.training.start_embeddings import initial_params, recipe_for

if TYPE_CHECKING:
    import pandas as pd
    from flax import nnx

OwnModule = Callable[[OwnModuleConfig, "nnx.Rngs"], "nnx.Module"]


@dataclasses.dataclass(frozen=True)
class ExportStudent:
    """An untrained student over an export's vocabulary and classes.

    Attributes:
        student: the student.
        export: the export.
        recipe: the recipe that its training starts from.
    """

    student: Student
    export: Export
    recipe: str


@dataclasses.dataclass(frozen=True)
class Trained:
    """What ``fit`` returns.

    Attributes:
        history: the epochs' numbers, a row each.
        model: the trained student, which predicts.
        config: how it was trained.
        logits: each of the ``evaluate`` splits' logits, float32 [n, classes], in row order, under its name.
        kept_epoch: the epoch that ``model`` is of, counted from 0.
        seconds: time spent in training steps.
        at_chance: whether the training stopped before it learnt anything: the loss still falls, train longer.
        still_learns: whether it stopped in the midst of learning: train longer.
    """

    history: "pd.DataFrame"
    model: Predictor
    config: TrainConfig
    logits: Mapping[str, np.ndarray]
    kept_epoch: int
    seconds: float
    at_chance: bool
    still_learns: bool
    _export: Export
    _splits: Mapping[str, Examples]

    def save(self, folder: str | Path) -> Path:
        """Write a run folder, which ``load``, ``python -m distill_jax.predict`` and the report read.

        After a refusal the student is as it was, and can be saved elsewhere.

        Raises:
            InputError: the folder exists and is not empty, or the student was not evaluated on a test split.
        """
        folder = Path(folder)
        if "test" not in self.logits:
            raise InputError('save: a run holds its test scores: expected fit(…, evaluate={"test": export.test})')
        export = self._export
        place = real_place(folder, "run folder")
        with sole_writer(place, "run folder"):
            require_free(place, "run folder", "the student is not lost: save it under another name")
            with atomic_folder(place) as new:
                config = run_config(self.config, self.model.config, export.folder, export.manifest, {}, platform())
                begin_run(new, config, export.tokenizer)
                write_history(new / HISTORY, self.history)
                write_weights(new, self.model.weights())
                figures = training_figures(
                    self.history,
                    self.kept_epoch,
                    self.model.weights(),
                    self.seconds,
                    at_chance=self.at_chance,
                    still_learns=self.still_learns,
                    task=self.model.task,
                )
                finish_run(new, self.config, figures, self.logits["test"], self._splits["test"], self.model.task)
        return folder


def student(name: "str | OwnModule", export: Export, *, recipe: str = DEFAULT_RECIPE, **options: Any) -> ExportStudent:
    """Return an untrained student for an export: the recipe's architecture, with ``options`` in its place.

    Args:
        name: ``cnn``, ``fasttext``, ``dan``, ``bilstm``, ``ensemble``, one that was registered, or a function that
            builds an NNX module of one's own (``students.own_module.OwnModuleConfig.build``).
        export: the export.
        recipe: ``best`` or ``notebook``.
        options: the student's own fields.

    Raises:
        InputError: no such student, recipe or option, or a value is out of range.
    """
    if callable(name):
        name, options = OwnModuleConfig.name, {**options, "build": name}
    chosen = {**student_kind(name).recipe(recipe).student, **options}
    return ExportStudent(Student(student_config(name, **export.manifest.sizes, **chosen)), export, recipe)


def fit(
    student: ExportStudent,
    train: Examples,
    *,
    distil: bool = False,
    transfer: Examples | None = None,
    evaluate: Mapping[str, Examples] | None = None,
    select_on: Examples | None = None,
    callbacks: Iterable[Callable[[Snapshot], None]] = (),
    **options: Any,
) -> Trained:
    """Train a student and return it with its history.

    Args:
        student: what ``student`` returned.
        train: the rows to learn from.
        distil: learn from the teacher's logits instead of the labels.
        transfer: with ``distil``, further rows that the teacher alone has labelled.
        evaluate: rows to score; those of ``test`` after every epoch, all of them at the end.
        select_on: rows that choose the epoch that is kept.
        callbacks: called with a snapshot after every epoch; an exception that one raises ends the training.
        options: fields of ``TrainConfig`` in place of the recipe's (``epochs=3``, ``learning_rate=…``, ``seed=…``).

    Raises:
        InputError: rows or options do not fit the student.
        NonFiniteLossError: the loss is no longer a finite number.
    """
    splits = dict(evaluate or {})
    length = student.export.manifest.max_length
    tokenizer = FastTokenizer(student.export.load_tokenizer(), length)  # refused before the training, not after
    config = _config(student, train, distil=distil, transfer=transfer, options=options)
    rows = with_transfer(train, transfer, config.transfer_share, config.seed)
    rows = weighted(rows, config.class_weights, student.export.label_names)
    params = initial_params(student.student, config, student.export.folder, student.export.manifest)
    result = fit_params(
        student.student,
        params,
        train=rows,
        test=splits.get("test"),
        config=config,
        validation=select_on,
        on_epoch=_all_of(tuple(callbacks)),
    )
    export = student.export
    described = run_config(config, student.student.config, export.folder, export.manifest, {})
    origin = Origin(described["train"], described["export"])
    model = Predictor.of(
        export.label_names, student.student.config, result.params, tokenizer, length, origin, result.task
    )
    logits = _logits(student.student, result, splits)
    return Trained(
        history=result.history,
        model=model,
        config=config,
        logits=logits,
        kept_epoch=result.kept_epoch,
        seconds=result.seconds,
        at_chance=result.at_chance,
        still_learns=result.still_learns,
        _export=export,
        _splits=splits,
    )


def _all_of(callbacks: tuple[Callable[[Snapshot], None], ...]) -> Callable[[Snapshot], None] | None:
    def call(snapshot: Snapshot) -> None:
        for callback in callbacks:
            callback(snapshot)

    return call if callbacks else None


def _config(
    student: ExportStudent, train: Examples, *, distil: bool, transfer: Examples | None, options: Mapping[str, Any]
) -> TrainConfig:
    if transfer is not None and not distil:
        raise InputError("transfer: rows that the teacher alone has labelled go with distil=True")
    changes = {**options, "transfer": transfer is not None}
    config = train_config(student.student.config.name, distil=distil, recipe=student.recipe, **changes)
    have_hints = all(rows.hints is not None for rows in (train, transfer) if rows is not None)  # not the user's own
    config = recipe_for(config, student.export.manifest, options.keys(), hints=have_hints)
    return fitted_to_rows(config, len(train), 0 if transfer is None else len(transfer), options.keys())


def _logits(student: Student, result: FitResult, splits: Mapping[str, Examples]) -> dict[str, np.ndarray]:
    """Return the kept epoch's logits of each split; those of ``test`` are there already."""
    found = {} if result.test_logits is None else {"test": result.test_logits}
    others = {name: rows for name, rows in splits.items() if name not in found}
    if others:
        params = to_device(result.params)
        found |= {name: predict_logits(student, params, rows.tokens, rows.length) for name, rows in others.items()}
    return found
