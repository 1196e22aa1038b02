"""How good the teacher is on each split: figures for the manifest, a table, and warnings of what is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import format_table, say, warn
from distill_jax.export.format import SPLIT_NAMES, Manifest, PartInfo
from distill_jax.metrics.interval import finite
from distill_jax.npz import read_npz
from distill_jax.rare_classes import too_few_rows
from distill_jax.tasks.registry import SINGLE_LABEL
from distill_jax.tasks.task import Task
from teacher_export.teacher.label_order import order_sentence, wrong_order

_NAMES_SHOWN = 20
_RARE = 0.25  # of the rows that a class would have if all had as many


def read_answers(folder: Path, parts: Sequence[PartInfo], task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Return a split's labelled rows: their labels, and the classes answered, int [n]; of other tasks the logits."""
    labels, answers = [], []
    for info in parts:
        part = read_npz(folder / info.file, "part", ("labels", "teacher_logits"))
        labelled = task.is_labelled(part["labels"])
        labels.append(part["labels"][labelled])
        logits = part["teacher_logits"][labelled]
        answers.append(task.answers(logits) if task.has_classes else logits)
    return np.concatenate(labels), np.concatenate(answers)


def read_labels(folder: Path, parts: Sequence[PartInfo]) -> np.ndarray:
    """Return the labels of all rows of a split, int [n]; of other tasks as the task says."""
    return np.concatenate([read_npz(folder / info.file, "part", ("labels",))["labels"] for info in parts])


def score(labels: np.ndarray, answers: np.ndarray, task: Task = SINGLE_LABEL) -> dict[str, float | None]:
    """Return the task's scores of what ``read_answers`` gave, the same as reports count them; None = undefined."""
    if task.has_classes:
        return dict(zip((metric.name for metric in task.metrics), task.scores(labels, answers), strict=True))
    found = {metric.name: metric.of(labels, answers) for metric in task.metrics}
    return {name: finite(value) for name, value in found.items()}


def teacher_warnings(
    answers: Mapping[str, tuple[np.ndarray, np.ndarray]], label_names: Sequence[str], *, order_is_known: bool
) -> list[str]:
    """Return what is wrong with a teacher, a sentence for each fault.

    Args:
        answers: of each split with labelled rows, their labels and predicted classes, int [n] each.
        label_names: the classes.
        order_is_known: the teacher's classes were named, or it was trained on these: their order is not doubted.
    """
    labels, predictions = answers.get("test", (np.empty(0, int),) * 2)
    if len(labels) and not order_is_known:
        order = wrong_order(labels, predictions, len(label_names))
        if order is not None:
            return [order_sentence(order, labels, predictions, label_names)]
    sentences = []
    if answers:
        occurring, answered = (set(np.concatenate(arrays).tolist()) for arrays in zip(*answers.values(), strict=True))
        ignored = [label_names[class_] for class_ in sorted(occurring - answered)]
        if ignored:
            sentences.append(
                f"WARNING: the teacher ignores {len(ignored)} of {len(label_names)} classes: it answers "
                f"{_listed(ignored)} for no text; a student learns the same of it. Train it longer, or take another"
            )
    if len(labels):
        accuracy, frequent = (predictions == labels).mean(), np.bincount(labels).max() / len(labels)
        if accuracy <= frequent:
            name = label_names[int(np.bincount(labels).argmax())]
            sentences.append(
                f"WARNING: the teacher's test accuracy is {accuracy:.3f}, not above {frequent:.3f}, that of always "
                f"answering {name!r}: it has not learnt these classes, or is not meant for these texts"
            )
    return sentences


def class_findings(
    train: np.ndarray,
    answers: Mapping[str, tuple[np.ndarray, np.ndarray]],
    label_names: Sequence[str],
    *,
    order_is_known: bool,
) -> dict[str, Any]:
    """Return what a manifest's teacher says of the classes: ``warnings``, and of rare ones what it finds of them.

    Args:
        train: int [n], the training rows' classes; -1 = unlabelled.
        answers: as for ``teacher_warnings``.
        label_names: the classes.
        order_is_known: as for ``teacher_warnings``.
    """
    few, note = too_few_rows(train, label_names), rare_class_note(train, answers.get("test"), label_names)
    faults = teacher_warnings(answers, label_names, order_is_known=order_is_known)
    return {"warnings": [few, *faults] if few else faults, **({"rare_classes": note} if note else {})}


def rare_class_note(
    train: np.ndarray, answers: tuple[np.ndarray, np.ndarray] | None, label_names: Sequence[str]
) -> str | None:
    """Return how many test rows of each rare class a teacher finds; None where none is rare, or rows have no label.

    A class without any row is not rare, but another data set's.

    Args:
        train: int [n], the training rows' classes; -1 = unlabelled.
        answers: the test rows' classes and what was answered, int [m] each; None = no test row has a label.
        label_names: the classes.
    """
    if answers is None or (train < 0).any():
        return None
    labels, answered = answers
    counts = np.bincount(train, minlength=len(label_names))
    occurs = counts + np.bincount(labels, minlength=len(label_names)) > 0
    few = _RARE * counts[occurs].mean()
    rare = [place for place in np.argsort(counts, kind="stable").tolist() if occurs[place] and counts[place] < few]
    if not rare:
        return None
    shown = [
        f"{label_names[place]!r} {int((answered[labels == place] == place).sum())} of {int((labels == place).sum())} "
        f"({counts[place]:,} training rows)"
        for place in rare[:_NAMES_SHOWN]
    ]
    return f"test rows of the rarest classes that it finds: {', '.join(shown)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_NAMES_SHOWN]))
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def print_summary(manifest: Manifest) -> None:
    """Print the teacher's figures, a row for each split."""
    scores: dict[str, Any] = manifest.teacher.get("splits", {})
    metrics = manifest.labelling.metrics
    rows = []
    for split in sorted(manifest.splits, key=SPLIT_NAMES.index):
        figures = scores.get(split) or {}
        shown = [_shown(figures.get(metric.name)) for metric in metrics]
        rows.append([split, f"{manifest.examples(split):,}", *shown])
    say("\nThe teacher, by split:")
    titles = [
        metric.title if metric.title.isupper() else metric.title[0].lower() + metric.title[1:] for metric in metrics
    ]
    say(format_table(["split", "documents", *titles], rows))
    if crossed := manifest.teacher.get("cross_fitted"):
        say(_crossed_sentence(crossed, metrics))
    if note := manifest.teacher.get("rare_classes"):
        say(note)
    for sentence in manifest.teacher.get("warnings", ()):
        warn(sentence)


def _crossed_sentence(crossed: Mapping[str, Any], metrics: Sequence[Any]) -> str:
    """Return how good the mean of the cross-fitted teachers is, by its first metric."""
    first = metrics[0]
    figures = ", ".join(f"{_shown(scores.get(first.name))} ({name})" for name, scores in crossed["splits"].items())
    return (
        f"of the training split it is the {crossed['count']} cross-fitted teachers, each on rows that it has not seen; "
        f"the mean of all of them has {first.title} {figures}"
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
