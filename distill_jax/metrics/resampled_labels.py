"""Scores of several labels a row on resamples of the rows (``metrics.resampling``); definitions: ``multi_label``."""

import dataclasses

import numpy as np

from distill_jax.metrics.regression import require_pairs
from distill_jax.metrics.resampling import Resampler


def resampled_micro_f1(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``micro_f1``; arguments and errors as there."""
    require_pairs(labels, answers)
    right, both = (labels * answers).sum(axis=1), labels.sum(axis=1, dtype=np.int64) + answers.sum(axis=1)
    columns = np.stack([2 * right, both], axis=1).astype(np.float64)

    def of(weights: np.ndarray) -> np.ndarray:
        right, whole = (weights @ columns).T
        return right / np.maximum(whole, 1)

    return of


def resampled_macro_f1(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``macro_f1``; arguments and errors as there."""
    require_pairs(labels, answers)
    right, both = (labels * answers).astype(np.float32), labels.astype(np.float32) + answers

    def of(weights: np.ndarray) -> np.ndarray:
        found, whole = (weights @ array for array in (2 * right, both))
        f1 = found.astype(np.float64) / np.maximum(whole, 1)
        return f1.sum(axis=1) / np.maximum((whole > 0).sum(axis=1), 1)

    return of


def resampled_subset_accuracy(labels: np.ndarray, answers: np.ndarray) -> Resampler:
    """Return the resampler of ``subset_accuracy``; arguments and errors as there."""
    require_pairs(labels, answers)
    right = (labels == answers).all(axis=1).astype(np.float64)
    return lambda weights: weights @ right / len(labels)


def resampled_average_precision(labels: np.ndarray, scores: np.ndarray) -> Resampler:
    """Return the resampler of ``average_precision``; arguments and errors as there."""
    require_pairs(labels, scores)
    known = [place for place in range(labels.shape[1]) if labels[:, place].any()]
    rankings = [_Ranking.of(labels[:, place], scores[:, place]) for place in known]

    def of(weights: np.ndarray) -> np.ndarray:
        found = np.array([[ranking.precision(drawn) for ranking in rankings] for drawn in weights])
        occurs = ~np.isnan(found.reshape(len(weights), -1))
        total = np.where(occurs, found.reshape(occurs.shape), 0).sum(axis=1)
        return np.divide(total, occurs.sum(axis=1), out=np.full(len(total), np.nan), where=occurs.any(axis=1))

    return of


@dataclasses.dataclass(frozen=True)
class _Ranking:
    """The rows by a label's score, the surest first, and where its precision counts.

    That is where a group of equal scores ends that holds a row with the label.

    Attributes:
        rows: int [ranked], the rows down to the last that has the label.
        ends: int [groups], the last place of each group.
        own: int [with label], the rows that have it, as they are ranked.
        own_ends: int [groups], the last place among those.
    """

    rows: np.ndarray
    ends: np.ndarray
    own: np.ndarray
    own_ends: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray) -> "_Ranking":
        """Return the ranking of rows of which at least one has the label."""
        order = np.argsort(-scores, kind="stable")
        has_label, ranked = labels[order].astype(bool), scores[order]
        group = np.concatenate([[0], np.cumsum(ranked[1:] != ranked[:-1])])
        counted = np.unique(group[has_label])
        ends = np.searchsorted(group, counted, side="right") - 1
        own_ends = np.searchsorted(group[has_label], counted, side="right") - 1
        return cls(order[: ends[-1] + 1], ends, order[has_label], own_ends)

    def precision(self, weights: np.ndarray) -> float:
        """Return the average precision from how often each row was drawn, float32 [n]; NaN where none has the label."""
        right = np.cumsum(weights[self.own])[self.own_ends].astype(np.float64)  # exact to 16 million rows
        total = right[-1]
        if not total:
            return float("nan")
        ranked = np.cumsum(weights[self.rows])[self.ends]
        return float((np.diff(right, prepend=0.0) * right / np.maximum(ranked, 1)).sum() / total)
