"""A table's answers → logits: what is not known is filled in, what does not sum to 1 normalised, what is 0 floored."""

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from distill_jax.errors import InputError
from distill_jax.tasks.float32_scores import as_scores
from teacher_export.data.output_checks import ABOVE_ONE
from teacher_export.data.outputs import Answers
from teacher_export.options.table_teacher import OutputKind

FLOOR = 1e-4
"""The least probability of a class. Its logarithm is -9.2: a table that says 0 is not infinitely sure."""
_NEAR_ONE = ABOVE_ONE  # so near to 1 a sum is taken as it is
MOST_LOGITS = 1 << 27  # half a gigabyte, of which there are two copies for a while
NUMBERS_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True)
class OutputCounts:
    """In how many rows something was done to the answers.

    Attributes:
        normalised: probabilities that did not sum to 1.
        completed: classes that were not named had a share of what the others left.
        floored: a class had less than ``FLOOR``.
    """

    normalised: int = 0
    completed: int = 0
    floored: int = 0

    def __add__(self, other: "OutputCounts") -> "OutputCounts":
        return OutputCounts(
            self.normalised + other.normalised, self.completed + other.completed, self.floored + other.floored
        )


def require_room(rows: int, classes: int) -> None:
    """Raise ``InputError`` for more logits than memory should be taken for; answers that name few classes are small."""
    if rows * classes > MOST_LOGITS:
        raise InputError(
            f"--teacher-outputs: expected at most {MOST_LOGITS:,} numbers, rows times classes, got {rows:,} rows of "
            f"{classes:,} classes; keep fewer rows (--max-rows {MOST_LOGITS // classes})"
        )


def logits_of(
    answers: Answers, class_of_code: Sequence[int], kind: OutputKind, smoothing: float
) -> tuple[np.ndarray, OutputCounts, str]:
    """Return the logits of rows' answers, what was done to them, and their fingerprint.

    Logits are taken as they are. Of everything else, a logit is the logarithm of a probability, so that softmax gives
    it back:

    - Votes: n_c of a row's n votes come to (n_c + s/C) / (n + s), with C classes and s = ``smoothing``. With s = 1 one
      vote is shared by the classes (Perks 1947), which for two classes is Jeffreys's rule of half a vote each
      (Krichevsky and Trofimov 1981). It weighs the same however many classes there are, where half a vote for each of
      twenty classes would outweigh three people.
    - Probabilities that sum to 1 within 0.001 are taken as they are.
    - Where classes are not named and the others leave something to 1, that is spread over them by the prior: each
      class's mean over all rows, of what is known. Where the prior knows none of them, equally.
    - Other sums are divided by.
    - A class below ``FLOOR`` gets it, and the row is divided by its sum.

    Args:
        answers: n rows.
        class_of_code: each code's class, 0 to C-1.
        kind: what the numbers are.
        smoothing: votes added to a row; 0 where there are none.

    Raises:
        InputError: they are too many for the memory.

    Returns:
        float32 [n, C]; the counts; a SHA-256, in hexadecimal, of the numbers as they came, by row and class.
    """
    require_room(len(answers), len(class_of_code))
    rows = _Rows(answers, class_of_code)
    logits, counts, digest = np.empty((len(answers), rows.classes), np.float32), OutputCounts(), hashlib.sha256()
    prior = np.zeros(rows.classes)
    for part, values, known in rows.blocks():
        digest.update(np.where(known, values, np.nan).astype("<f8").tobytes())
        if kind == "logits":
            logits[part] = values
        elif kind != "votes":
            shares = _shares(values, known, kind)
            prior += (shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)).sum(axis=0)
    if kind == "logits":
        return logits, counts, digest.hexdigest()
    for part, values, known in rows.blocks():
        if kind == "votes":
            shares = (values + smoothing / rows.classes) / (values.sum(axis=1, keepdims=True) + smoothing)
        else:
            shares, changed = _completed(_shares(values, known, kind), known, prior)
            counts += changed
        shares, floored = _floored(shares)
        counts += OutputCounts(floored=floored)
        logits[part] = np.log(shares)
    return logits, counts, digest.hexdigest()


def label_logits_of(
    answers: Answers, label_of_code: Sequence[int], kind: OutputKind
) -> tuple[np.ndarray, OutputCounts, str]:
    """Return the logits of rows' answers to several labels, or of scores, as ``logits_of`` does those of classes.

    A score or a logit stays as it is. A probability p is log(p / (1 − p)), and not nearer to 0 or 1 than the floor; a
    label that an object does not name has the probability 0.

    Raises:
        InputError: they are too many for the memory, or scores that float32 does not tell apart.
    """
    require_room(len(answers), len(label_of_code))
    rows = _Rows(answers, label_of_code)
    logits, floored, digest = np.empty((len(answers), rows.classes), np.float32), 0, hashlib.sha256()
    for part, values, _ in rows.blocks():
        digest.update(values.astype("<f8").tobytes())
        if kind != "probabilities":
            logits[part] = as_scores(values, "--teacher-outputs") if kind == "score" else values
            continue
        shares = np.clip(values, FLOOR, 1 - FLOOR)
        floored += int((shares != values).any(axis=1).sum())
        logits[part] = np.log(shares / (1 - shares))
    return logits, OutputCounts(floored=floored), digest.hexdigest()


class _Rows:
    """Answers as dense arrays, some rows at a time."""

    def __init__(self, answers: Answers, class_of_code: Sequence[int]) -> None:
        self._codes, self._values, self._lengths = answers.arrays()
        self.classes = len(class_of_code)
        self._class_of_code = np.array(class_of_code, np.int64)
        self._stops = np.cumsum(self._lengths)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Yield which rows they are, their numbers, float64 [rows, classes], and which of these are known, bool."""
        step = max(1, NUMBERS_AT_ONCE // self.classes)
        for start in range(0, len(self._lengths), step):
            part = slice(start, start + step)
            lengths, stops = self._lengths[part], self._stops[part]
            flat = slice(stops[0] - lengths[0], stops[-1])
            places = np.repeat(np.arange(len(lengths)) * self.classes, lengths) + self._class_of_code[self._codes[flat]]
            size, shape = len(lengths) * self.classes, (len(lengths), self.classes)
            values = np.bincount(places, self._values[flat], size).reshape(shape)
            yield part, values, np.bincount(places, minlength=size).reshape(shape) > 0


def _shares(values: np.ndarray, known: np.ndarray, kind: OutputKind) -> np.ndarray:
    """Return the probabilities that are known, 0 for the others.

    Logarithms of every class that do not sum to 1, as joint ones of long texts, may be too small for exponentials. What
    counts is how they differ, so the largest comes to e, and the sum is divided by later.
    """
    if kind != "log-probabilities":
        return values
    shares = np.where(known, np.exp(np.minimum(values, _NEAR_ONE)), 0)
    is_off = known.all(axis=1) & (np.abs(shares.sum(axis=1) - 1) > _NEAR_ONE)
    if is_off.any():
        shares[is_off] = np.exp(values[is_off] - values[is_off].max(axis=1, keepdims=True) + 1)
    return shares


def _completed(shares: np.ndarray, known: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, OutputCounts]:
    """Return probabilities [rows, classes] that sum to 1, or nearly so, of those that are known."""
    left = 1 - shares.sum(axis=1)
    has_gap = ~known.all(axis=1) & (left > 0)
    if has_gap.any():
        weights = np.where(known[has_gap], 0, prior)
        nothing = np.asarray(weights.sum(axis=1) == 0)
        weights[nothing] = ~known[has_gap][nothing]
        shares = shares.copy()
        shares[has_gap] += left[has_gap, None] * weights / weights.sum(axis=1, keepdims=True)
    is_off = ~has_gap & (np.abs(left) > _NEAR_ONE)
    if is_off.any():
        shares = np.where(is_off[:, None], shares / shares.sum(axis=1, keepdims=True), shares)
    return shares, OutputCounts(normalised=int(is_off.sum()), completed=int(has_gap.sum()))


def _floored(shares: np.ndarray) -> tuple[np.ndarray, int]:
    """Return probabilities of which none is 0, and how many rows are others than before."""
    is_low = np.any(shares < FLOOR, axis=1)
    if not is_low.any():
        return shares, 0
    raised = np.maximum(shares, FLOOR)
    raised /= raised.sum(axis=1, keepdims=True)
    return np.where(is_low[:, None], raised, shares), int(is_low.sum())
