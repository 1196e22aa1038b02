"""A loader, and what its answers are held to."""

import dataclasses
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from distill_jax.tasks import MULTI_LABEL_NAME, SCORE_NAME

TEXTS = ["w1 w2 w3", "", "W4, w5! [SEP] w6", "w7 " * 200, "\u4f60\u597d w8\u0301", "\x07w9"]


class WrongAnswerError(Exception):
    """A loader has returned what is none: a number that is not finite, an id that is not in the vocabulary."""


@dataclasses.dataclass(frozen=True)
class Loader:
    """A loader.

    Attributes:
        name: its name.
        source: the file or folder of the corpus that it reads; None = what it takes is drawn.
        read: called with the mutated copy's path and a source of chance; ends in a right answer or raises.
        patterns: which files of the folder are mutated.
        sign: makes the folder's checksums right again.
        beside: what else of the corpus lies beside the copy.
        writes: whether it writes into the copy.
    """

    name: str
    source: str | None
    read: Callable[[Path, random.Random], None]
    patterns: tuple[str, ...] = ("*",)
    sign: Callable[[Path], None] | None = None
    beside: tuple[str, ...] = ()
    writes: bool = False


def require(right: bool, what: str) -> None:
    """Raise ``WrongAnswerError`` where an answer is not right."""
    if not right:
        raise WrongAnswerError(what)


def require_labels(labels: np.ndarray, task: str, names: Sequence[str]) -> None:
    """Require labels such as a task has: classes, zeros and ones, or numbers; or none."""
    if task == SCORE_NAME:
        require(not np.isinf(labels).any(), "a score that is not finite")
        return
    wide = (len(labels), len(names)) if task == MULTI_LABEL_NAME else (len(labels),)
    require(labels.shape == wide, "labels of another shape")
    most = 1 if task == MULTI_LABEL_NAME else len(names) - 1
    require(bool(((labels >= -1) & (labels <= most)).all()), "labels beyond the classes")
    require(len(set(names)) == len(names), "two classes of one name")
