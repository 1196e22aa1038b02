"""The confusion matrix as a posterior: what accuracy and macro F1 may be, and how probably one model beats another.

After Caelen: the rows are a multinomial sample of the cells of the confusion matrix, a Dirichlet prior over the cells
makes the posterior a Dirichlet too, and a score's posterior is the score of matrices drawn from it.

**Prior.** Dirichlet with 1/m for each of the m cells: the whole prior weighs as much as one row, whatever the number of
classes. (The uniform prior, 1 a cell, weighs as much as m rows: with 5 classes it would draw an accuracy of 0.5
on 500 rows down to 0.486.)

**Two models.** Caelen compares two classifiers by drawing their matrices independently, as if each had a test set of
its own. Ours share their rows: a text that one gets right, the other often does too, and drawing them apart overstates
the spread of the difference. So the multinomial is over the joint cells (true class, prediction of A, prediction of
B), with the same prior; a Dirichlet's sums are Dirichlet, so each model's own matrix has exactly the posterior above,
and only the dependence is added. One table of two models gives that paired posterior; a table for each, Caelen's.

References:
    Caelen 2017, "A Bayesian interpretation of the confusion matrix", Annals of Mathematics and Artificial
    Intelligence 81.
    Berger, Bernardo, Sun 2015, "Overall objective priors", Bayesian Analysis 10 (the prior 1/m).
    Sethuraman 1994, "A constructive definition of Dirichlet priors", Statistica Sinica 4.
"""

import dataclasses

import numpy as np

from distill_jax.metrics.interval import CONFIDENCE, Interval
from distill_jax.metrics.outcomes import ClassSums, OutcomeTable, class_sums

DRAWS = 10_000
PRIOR_ROWS = 1.0
# What this many breaks leave over of the prior's one row is 2⁻²⁰ of it on average.
_STICKS = 20
_ELEMENTS_AT_ONCE = 2_000_000


@dataclasses.dataclass(frozen=True)
class PosteriorScores:
    """Draws from the posterior.

    Attributes:
        accuracy: float [draws, models].
        macro_f1: float [draws, models].
    """

    accuracy: np.ndarray
    macro_f1: np.ndarray


def posterior_scores(
    table: OutcomeTable, *, draws: int = DRAWS, seed: int = 0, prior_rows: float = PRIOR_ROWS
) -> PosteriorScores:
    """Draw the models' accuracy and macro F1 from the posterior of their joint table.

    Macro F1 is over the classes that a row is of, or is named by the model; the prior gives the others some weight too.

    Args:
        table: the outcomes of one model (Caelen's confusion matrix) or of several on the same rows.
        draws: how many.
        seed: the same seed gives the same draws.
        prior_rows: what the prior weighs in rows; spread evenly over all cells, those that do not occur included.
    """
    rng = np.random.default_rng(seed)
    block = max(1, _ELEMENTS_AT_ONCE // max(len(table.counts), _STICKS * table.num_labels))
    parts = []
    for start in range(0, draws, block):
        size = min(block, draws - start)
        # A Dirichlet is independent gammas over their sum; the scores do not change with the sum.
        seen = class_sums(table, rng.standard_gamma(table.counts.astype(np.float64), (size, len(table.counts))))
        parts.append(seen + _prior_sums(table, rng, size, prior_rows))
    occurs = class_sums(table, table.counts[None]).weight > 0
    return PosteriorScores(
        np.concatenate([part.accuracy() for part in parts]), np.concatenate([part.macro_f1(occurs) for part in parts])
    )


def _prior_sums(table: OutcomeTable, rng: np.random.Generator, draws: int, prior_rows: float) -> ClassSums:
    """Draw the prior's share of every cell, without listing the cells: there are classes^(1 + models) of them.

    Dirichlet(counts + c/m) is Dirichlet(counts, c) with its last part split by Dirichlet(c/m, …, c/m), and that
    is Sethuraman's broken stick with its pieces put on cells at random.
    """
    breaks = rng.beta(1.0, prior_rows, (draws, _STICKS))
    breaks[:, -1] = 1.0  # the last piece takes what is left
    left = np.cumprod(np.concatenate([np.ones((draws, 1)), 1.0 - breaks[:, :-1]], axis=1), axis=1)
    weights = rng.standard_gamma(prior_rows, (draws, 1)) * left * breaks
    cells = rng.integers(0, table.num_labels, (1 + table.models, draws, _STICKS))
    right = cells[1:] == cells[0]
    return ClassSums(
        true=_by_class(cells[0], weights, table.num_labels),
        predicted=np.stack([_by_class(named, weights, table.num_labels) for named in cells[1:]], axis=1),
        correct=np.stack([_by_class(cells[0], weights * hit, table.num_labels) for hit in right], axis=1),
    )


def _by_class(classes: np.ndarray, weights: np.ndarray, num_labels: int) -> np.ndarray:
    """Return the weights summed by class, float [draws, classes]; both arguments are [draws, pieces]."""
    draws = len(classes)
    places = classes + (np.arange(draws) * num_labels)[:, None]
    return np.bincount(places.reshape(-1), weights.reshape(-1), draws * num_labels).reshape(draws, num_labels)


def credible_interval(draws: np.ndarray) -> Interval:
    """Return the mean of draws [n] and their central 95 % interval."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(draws, (tail, 1 - tail))
    return Interval(float(draws.mean()), float(low), float(high))


def probability_better(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the share of draws [n] in which ``ours`` is the higher score; an equal one counts half.

    So two models that never differ get 0.5, and exchanging the models gives one minus the probability.
    """
    return float((ours > theirs).mean() + 0.5 * (ours == theirs).mean())
