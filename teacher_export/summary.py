"""How good the teacher is on each split: figures for the manifest, a table, and a warning where labels look swapped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.console import format_table, say, warn
from distill_jax.export.format import SPLIT_NAMES, Manifest, PartInfo
from distill_jax.export.reader import load_part_arrays

_MARGIN = 0.1


def read_predictions(folder: Path, parts: Sequence[PartInfo]) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predicted classes, int [n] each, of a split's labelled rows."""
    labels, predictions = [], []
    for info in parts:
        part = load_part_arrays(folder / info.file)
        labelled = part.labels >= 0
        labels.append(part.labels[labelled])
        predictions.append(part.teacher_logits[labelled].argmax(axis=1))
    return np.concatenate(labels), np.concatenate(predictions)


def score(labels: np.ndarray, predictions: np.ndarray, num_labels: int) -> dict[str, float]:
    """Return accuracy and macro F1 (scikit-learn's; a class that never occurs counts as 0)."""
    from sklearn.metrics import accuracy_score, f1_score

    macro_f1 = f1_score(labels, predictions, labels=range(num_labels), average="macro", zero_division=0)
    return {"accuracy": float(accuracy_score(labels, predictions)), "macro_f1": float(macro_f1)}


def label_order_warning(labels: np.ndarray, predictions: np.ndarray, label_names: Sequence[str]) -> str | None:
    """Return a warning where the teacher is near chance, or another class order would fit the labels far better."""
    from scipy.optimize import linear_sum_assignment

    classes = len(label_names)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predictions), 1)
    accuracy = np.trace(counts) / len(labels)
    _, best = linear_sum_assignment(-counts)
    best_accuracy = counts[np.arange(classes), best].sum() / len(labels)
    chance = 1 / classes
    if best_accuracy - accuracy > _MARGIN:
        # The class that stands at column best[i] behaves like class i.
        swapped = [label_names[column] for column in best]
        return (
            f"WARNING: the teacher's test accuracy is {accuracy:.3f}, but {best_accuracy:.3f} if its classes stood in "
            f"another order: the label order is probably wrong. What is now taken for {swapped} looks like "
            f"{list(label_names)}; give the right order with --label-map and another --output"
        )
    if accuracy < chance + _MARGIN * (1 - chance):
        return (
            f"WARNING: the teacher's test accuracy is {accuracy:.3f}, near chance ({chance:.3f}, {classes} classes): "
            "the label order may be wrong (see --label-map), or the teacher is not meant for these texts"
        )
    return None


def print_summary(manifest: Manifest) -> None:
    """Print the teacher's figures, a row for each split."""
    scores: dict[str, Any] = manifest.teacher.get("splits", {})
    rows = []
    for split in sorted(manifest.splits, key=SPLIT_NAMES.index):
        figures = scores.get(split)
        shown = [f"{figures['accuracy']:.4f}", f"{figures['macro_f1']:.4f}"] if figures else ["-", "-"]
        rows.append([split, f"{manifest.examples(split):,}", *shown])
    say("\nThe teacher, by split:")
    say(format_table(["split", "documents", "accuracy", "macro F1"], rows))
    if manifest.teacher.get("label_order_warning"):
        warn(manifest.teacher["label_order_warning"])
