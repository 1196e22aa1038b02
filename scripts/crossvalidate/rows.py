"""The rows of a study, which of them are of which fold, and the table that holds both for the export."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from distill_jax.errors import InputError
from distill_jax.files import atomic_write, sha256_file
from teacher_export.data.demo import FILES, LABEL_NAMES, DemoReviews, load_demo_reviews, load_unlabelled_demo_texts
from teacher_export.transfer.near_copies import near_copy_groups

DatasetName = Literal["demo", "demo-tweets", "demo-editorials"]
TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
TABLE, UNLABELLED = "rows.jsonl", "unlabelled.jsonl"
_VALIDATION_PARTS = 10  # one of so many of a fold's rows validates


@dataclasses.dataclass(frozen=True)
class StudyRows:
    """A data set's rows.

    Attributes:
        reviews: all texts of its files, those left out too.
        kept: int64 [n], the places in ``reviews`` of the rows.
        labels: int64 [n], their classes.
        groups: int64 [n], a number for each group of near copies.
    """

    reviews: DemoReviews
    kept: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, dataset: DatasetName) -> "StudyRows":
        """Read a data set, fetching it where it is missing.

        Raises:
            DownloadError: it could not be fetched.
        """
        reviews = load_demo_reviews(FILES[dataset])
        kept = np.flatnonzero(reviews.classes >= 0)
        labels = reviews.classes[kept].astype(np.int64)
        return cls(reviews, kept, labels, near_copy_groups([reviews.texts[row] for row in kept]))

    @property
    def texts(self) -> list[str]:
        """The rows' texts."""
        return [self.reviews.texts[row] for row in self.kept]


def draw_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return what each row is in each fold, int8 [folds, n], a place in ``PARTS``.

    Each row tests in one fold. A group is never divided between two parts; folds, and their parts, have about the same
    share of each class. A tenth of a fold's other rows validates.

    Args:
        labels: int [n], classes.
        groups: int [n], the rows that stay together.
        folds: how many, at least two.
        seed: draws them.

    Raises:
        InputError: a class or the groups are too few.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    scarce = int(np.bincount(labels).min())
    if scarce < folds or len(np.unique(groups)) < folds * _VALIDATION_PARTS:
        raise InputError(
            f"--folds {folds}: expected at least as many rows of each class and {folds * _VALIDATION_PARTS} groups of "
            f"texts, got a class of {scarce} and {len(np.unique(groups))} groups"
        )
    parts = np.zeros((folds, len(labels)), np.int8)
    outer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    inner = StratifiedGroupKFold(_VALIDATION_PARTS, shuffle=True, random_state=seed)
    for part, (others, test) in zip(parts, outer.split(labels, labels, groups), strict=True):
        part[test] = PARTS.index(TEST)
        _, validation = next(inner.split(others, labels[others], groups[others]))
        part[others[validation]] = PARTS.index(VALIDATION)
    return parts


def write_tables(folder: Path, dataset: DatasetName, rows: StudyRows, parts: np.ndarray) -> str:
    """Write the rows with a column for each fold, and the texts that come with them; return the rows' fingerprint.

    Raises:
        InputError: other rows or folds are there.
    """
    others = load_unlabelled_demo_texts(FILES[dataset])
    fingerprint = _write(folder / TABLE, _lines(rows, parts))
    _write(folder / UNLABELLED, ({"text": text} for text in others))
    return fingerprint


def fold_column(fold: int) -> str:
    """Return the column that says what a row is in a fold."""
    return f"fold-{fold}"


def _lines(rows: StudyRows, parts: np.ndarray) -> Iterator[dict[str, str]]:
    for text, label, of_row in zip(rows.texts, rows.labels, parts.T, strict=True):
        own = {fold_column(fold): PARTS[part] for fold, part in enumerate(of_row)}
        yield {"text": text, "label": LABEL_NAMES[label], **own}


def _write(path: Path, lines: Iterator[dict[str, str]]) -> str:
    """Write lines of JSON where nothing is there; return their SHA-256."""
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    fingerprint = hashlib.sha256(content).hexdigest()
    if path.exists():
        if sha256_file(path) != fingerprint:
            raise InputError(
                f"{path}: it holds other rows or folds than --dataset, --folds and --split-seed ask for; name another "
                "--output"
            )
        return fingerprint
    with atomic_write(path) as stream:
        stream.write(content)
    return fingerprint
