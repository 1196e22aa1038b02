"""Whether examples fit a student and its training; every split is checked alike."""

import numpy as np

from distill_jax.config import TrainConfig, check_training
from distill_jax.data.examples import Examples
from distill_jax.data.stored_examples import StoredExamples
from distill_jax.errors import InputError
from distill_jax.losses import objective_of
from distill_jax.students.config import StudentConfig
from distill_jax.students.student import Student
from distill_jax.tasks.task import Task


def check_examples(
    student: Student,
    config: TrainConfig,
    *,
    train: Examples | StoredExamples,
    test: Examples | None = None,
    validation: Examples | None = None,
) -> None:
    """Raise ``InputError`` where examples do not fit a student or its training."""
    task = student.config.labelling
    for name, examples in (("train", train), ("test", test), ("validation", validation)):
        if isinstance(examples, Examples):
            _check_split(name, examples, student.config)
    for name, examples in (("train", train), ("validation", validation)):  # those that the loss is taken of
        if examples is None:
            continue
        if config.distil and isinstance(examples, Examples) and examples.teacher_logits is None:
            raise InputError(f"{name}: teacher_logits: distillation needs them, got None")
        if objective_of(config, task).alpha == 1 and not task.is_labelled(examples.labels).any():
            how = "with --alpha 1" if config.distil else "without --distil"
            raise InputError(f"{name}: labels: training {how} needs labelled rows, got none")
    if config.distil and config.alpha < 1:
        _check_teacher("train", train, task)
    if test is not None and test.teacher_logits is None and not task.is_labelled(test.labels).any():
        raise InputError("test: labels: expected a label or teacher_logits to judge by, got neither")
    _check_beside_labels(config, train)
    check_training(student.config, config)


def _check_beside_labels(config: TrainConfig, train: Examples | StoredExamples) -> None:
    """Raise ``InputError`` where the rows lack what a configuration takes of them beside labels and logits."""
    has_hints = train.hint_width > 0 if isinstance(train, StoredExamples) else train.hints is not None
    if config.hint_weight and not has_hints:
        raise InputError(
            f"train: hints: --hint-weight {config.hint_weight:g} needs them of all rows, a transfer set's too, got "
            "none; export with --hint-width 64, or train with --hint-weight 0"
        )
    if config.class_weights and train.weights is None:
        raise InputError("train: weights: --class-weights needs those of the rows (row_weights.weighted), got None")


def _check_split(name: str, examples: Examples, student: StudentConfig) -> None:
    if not len(examples):
        raise InputError(f"{name}: expected at least one row, got none")
    logits, classes = examples.teacher_logits, student.num_labels
    fault = student.labelling.check_labels(examples.labels, classes)
    if fault:
        raise InputError(f"{name}: labels (row {fault[0]}): {fault[1]}")
    if logits is None:
        return
    if logits.shape[1:] != (classes,):
        raise InputError(f"{name}: teacher_logits: expected [{len(examples)}, {classes}], got {list(logits.shape)}")
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{name}: teacher_logits: expected finite numbers, got NaN or infinity in row {finite.argmin()}"
        )


def _check_teacher(name: str, examples: Examples | StoredExamples, task: Task) -> None:
    """Raise ``InputError`` where there is nothing to distil: the same answer to every row."""
    if isinstance(examples, StoredExamples):
        is_constant, said = examples.is_constant, "one answer"
    else:
        logits = examples.teacher_logits
        if logits is None or not len(logits):
            return
        is_constant, said = task.is_constant(logits), str(logits[0].tolist())
    if len(examples) > 1 and is_constant:
        raise InputError(
            f"{name}: teacher_logits: expected different logits, got {said} or a shift of it in all "
            f"{len(examples):,} rows; a teacher that says the same of every text cannot be distilled: export its "
            "logits again, or train without --distil"
        )
