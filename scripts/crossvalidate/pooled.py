"""Scores over the held-out rows of all folds, with intervals from resampled groups of near copies.

A group is drawn with all its rows, and with every model's and the teacher's answers to them: so what is said of two
models, a share or a difference, is paired. The interval is that of other texts, with these teachers and students; how
far folds lie apart, each with its own teacher and students, and seeds, stands beside it.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from distill_jax.metrics.classification import macro_f1
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import Resampler, percentile_interval, resampled
from scripts.crossvalidate.folds import classes_of

TEACHER = "teacher"


@dataclasses.dataclass(frozen=True)
class Pooled:
    """A variant's answers to the rows of some folds.

    Attributes:
        folds: int64 [n], the fold that held a row out.
        groups: int64 [n], a number from 0 for each group of near copies.
        labels: int64 [n].
        answers: of each model its answers, a line a seed, int64 [seeds, n]; the teacher's among them.
    """

    folds: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    answers: dict[str, np.ndarray]

    @classmethod
    def of(cls, found: Sequence[dict[str, Any]]) -> "Pooled":
        """Return what folds' result files hold together; models that one of them lacks are left out."""
        models = [_answers(fold) for fold in found]
        names = [name for name in models[0] if all(name in each for each in models)]
        answers = {name: np.concatenate([each[name] for each in models], axis=1) for name in names}
        labels = [classes_of(fold["labels"]) for fold in found]
        folds = np.repeat([fold["fold"] for fold in found], list(map(len, labels)))
        groups = np.unique(np.concatenate([fold["groups"] for fold in found]), return_inverse=True)[1]
        return cls(folds, groups, np.concatenate(labels), answers)

    @property
    def models(self) -> list[str]:
        """The models' names, the teacher's first."""
        return list(self.answers)

    def right(self, model: str) -> np.ndarray:
        """Return the share of a model's seeds that are right on each row, float64 [n]."""
        return np.asarray((self.answers[model] == self.labels).mean(axis=0))

    def accuracy(self, model: str, rows: np.ndarray | slice = slice(None)) -> float:
        """Return the mean accuracy of a model's seeds on some rows."""
        return float(self.right(model)[rows].mean())

    def macro_f1(self, model: str) -> float:
        """Return the mean macro F1 of a model's seeds."""
        return statistics.fmean(macro_f1(self.labels, answers) for answers in self.answers[model])

    def draws(self, models: Sequence[str]) -> dict[str, np.ndarray]:
        """Return models' accuracies on resamples of the groups, the same for all: float64 [resamples] each."""
        return {model: group_means(self.right(model), self.groups) for model in models}

    def by_fold(self, score: Callable[[np.ndarray], float]) -> list[float]:
        """Return a score of the rows of each fold."""
        return [score(self.folds == fold) for fold in np.unique(self.folds)]

    def fold_accuracies(self, model: str) -> list[float]:
        """Return a model's mean accuracy on the rows of each fold."""
        return self.by_fold(lambda rows: self.accuracy(model, rows))

    def seed_accuracies(self, model: str) -> list[float]:
        """Return the accuracy of each of a model's seeds."""
        return [float((answers == self.labels).mean()) for answers in self.answers[model]]


def group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the rows' mean on resamples of the groups, float64 [resamples]; the same groups give the same resamples.

    Args:
        values: float64 [n].
        groups: int64 [n], a number from 0 for each group.
    """
    sums, sizes = np.bincount(groups, values), np.bincount(groups).astype(np.float64)
    draws = resampled([_sum(sums), _sum(sizes)], len(sizes))
    return np.asarray(draws[:, 0] / draws[:, 1])


def _sum(values: np.ndarray) -> Resampler:
    return lambda weights: weights @ values


@dataclasses.dataclass(frozen=True)
class StudentScores:
    """What a distilled student is worth.

    Attributes:
        student: its name.
        kept: the share of the teacher's accuracy that it has.
        direct_kept: the same of the student of labels.
        gap_closed: how far distillation takes it from the student of labels to the teacher.
        lead: its accuracy less that of the student of labels.
        over_baseline: its accuracy less that of the best simple baseline; None where there is none.
        kept_by_fold: of each fold, with its own teacher.
        gap_by_fold: the same of the gap closed.
    """

    student: str
    kept: Interval
    direct_kept: Interval
    gap_closed: Interval
    lead: Interval
    over_baseline: Interval | None
    kept_by_fold: list[float]
    gap_by_fold: list[float]


def score_student(pooled: Pooled, student: str, baseline: str | None) -> StudentScores:
    """Score a distilled student beside its teacher, its twin of labels and a baseline."""
    own, names = distilled_name(student), [distilled_name(student), student, TEACHER]
    if baseline is not None:
        names.append(baseline)
    draws, values = pooled.draws(names), {name: pooled.accuracy(name) for name in names}

    def interval(of: Callable[[Mapping[str, Any]], Any]) -> Interval:
        return percentile_interval(float(of(values)), np.asarray(of(draws)))

    def by_fold(of: Callable[[Mapping[str, Any]], Any]) -> list[float]:
        return pooled.by_fold(lambda rows: float(of({name: pooled.accuracy(name, rows) for name in names})))

    def kept(scores: Mapping[str, Any]) -> Any:
        return scores[own] / scores[TEACHER]

    def gap(scores: Mapping[str, Any]) -> Any:
        return (scores[own] - scores[student]) / (scores[TEACHER] - scores[student])

    return StudentScores(
        student,
        kept=interval(kept),
        direct_kept=interval(lambda scores: scores[student] / scores[TEACHER]),
        gap_closed=interval(gap),
        lead=interval(lambda scores: scores[own] - scores[student]),
        over_baseline=None if baseline is None else interval(lambda scores: scores[own] - scores[baseline]),
        kept_by_fold=by_fold(kept),
        gap_by_fold=by_fold(gap),
    )


def distilled_name(student: str) -> str:
    """Return what a distilled student is called."""
    return f"{student}-distil"


def accuracy_interval(pooled: Pooled, model: str) -> Interval:
    """Return a model's accuracy with its interval."""
    return percentile_interval(pooled.accuracy(model), group_means(pooled.right(model), pooled.groups))


@dataclasses.dataclass(frozen=True)
class VariantDifference:
    """A variant less another, on the same rows.

    Attributes:
        model: of which model.
        accuracy: the difference of the accuracies.
        kept: the difference of the shares of each one's own teacher; None for the teacher.
    """

    model: str
    accuracy: Interval
    kept: Interval | None


def compare(one: Pooled, other: Pooled, model: str) -> VariantDifference:
    """Compare a model of two variants, which have the same rows."""
    if not np.array_equal(one.groups, other.groups) or not np.array_equal(one.labels, other.labels):
        raise ValueError("expected two variants of the same rows")
    (own, teacher), (theirs, their_teacher) = ((each.accuracy(model), each.accuracy(TEACHER)) for each in (one, other))
    draws, their_draws = (each.draws([model, TEACHER]) for each in (one, other))
    accuracy = percentile_interval(own - theirs, draws[model] - their_draws[model])
    shares = draws[model] / draws[TEACHER] - their_draws[model] / their_draws[TEACHER]
    kept = percentile_interval(own / teacher - theirs / their_teacher, shares)
    return VariantDifference(model, accuracy, None if model == TEACHER else kept)


def _answers(fold: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return a fold's answers by model, a line a seed."""
    found: dict[str, list[np.ndarray]] = {TEACHER: [classes_of(fold["teacher"]["answers"])]}
    for model in fold["models"]:
        name = distilled_name(model["student"]) if model["distilled"] else model["student"]
        found.setdefault(name, []).append(classes_of(model["answers"]))
    for baseline in fold["baselines"]:
        found[baseline["name"]] = [classes_of(baseline["answers"])]
    return {name: np.stack(answers) for name, answers in found.items()}
