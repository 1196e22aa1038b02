"""Is a difference real? Intervals for a model's scores, and what the test rows say of two models.

Every answer is about the test rows alone: had other texts been drawn, what would the scores be? Another seed of the
training is another model.
"""

import dataclasses

import numpy as np

from distill_jax.metrics.bootstrap import bootstrap_intervals
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.outcomes import count_outcomes
from distill_jax.metrics.posterior import credible_interval, posterior_scores, probability_better

# Beyond this probability, or below one minus it, a difference is called clear: two-sided 95 %.
CLEAR = 0.975


@dataclasses.dataclass(frozen=True)
class ScoreCertainty:
    """A model's scores on the test rows, with their intervals, all of 95 %.

    Attributes:
        accuracy: with its bootstrap interval.
        macro_f1: the same.
        accuracy_posterior: posterior mean and credible interval, from the Bayesian confusion matrix.
        macro_f1_posterior: the same.
    """

    accuracy: Interval
    macro_f1: Interval
    accuracy_posterior: Interval
    macro_f1_posterior: Interval


@dataclasses.dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: of the rows that just one of two models gets right, does one get more than its half?

    Attributes:
        both_right: rows.
        only_first: rows that the first model alone gets right.
        only_second: rows that the second model alone gets right.
        both_wrong: rows.
        p_value: two-sided; 1 where the models are never right on different rows.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float


@dataclasses.dataclass(frozen=True)
class PairCertainty:
    """What the test rows say of the first model's lead over the second; all intervals are of 95 %.

    Attributes:
        accuracy_difference: first - second, with its paired bootstrap interval.
        macro_f1_difference: the same.
        mcnemar: McNemar's exact test.
        accuracy_probability: that the first is the more accurate, from the paired posterior.
        macro_f1_probability: that the first has the higher macro F1, from the paired posterior.
        independent_accuracy_probability: Caelen's, which takes the two confusion matrices as independent.
        independent_macro_f1_probability: the same for macro F1.
    """

    accuracy_difference: Interval
    macro_f1_difference: Interval
    mcnemar: McNemar
    accuracy_probability: float
    macro_f1_probability: float
    independent_accuracy_probability: float
    independent_macro_f1_probability: float


def score_certainty(labels: np.ndarray, predictions: np.ndarray, num_labels: int, *, seed: int = 0) -> ScoreCertainty:
    """Return a model's accuracy and macro F1 with their bootstrap and posterior intervals.

    Args:
        labels: int [n], the true classes, 0 … num_labels-1; n is at least 1.
        predictions: int [n], the predicted classes.
        num_labels: the number of classes.
        seed: of the resamples and draws.

    Raises:
        ValueError: no rows, arrays of different lengths, or a class out of range.
    """
    table = count_outcomes(labels, predictions, num_labels=num_labels)
    intervals, drawn = bootstrap_intervals(table, seed=seed), posterior_scores(table, seed=seed)
    return ScoreCertainty(
        accuracy=intervals.accuracy[0],
        macro_f1=intervals.macro_f1[0],
        accuracy_posterior=credible_interval(drawn.accuracy[:, 0]),
        macro_f1_posterior=credible_interval(drawn.macro_f1[:, 0]),
    )


def pair_certainty(
    labels: np.ndarray, first: np.ndarray, second: np.ndarray, num_labels: int, *, seed: int = 0
) -> PairCertainty:
    """Compare two models' predictions of the same rows.

    Args:
        labels: int [n], the true classes, 0 … num_labels-1; n is at least 1.
        first: int [n], the first model's predictions.
        second: int [n], the second's.
        num_labels: the number of classes.
        seed: of the resamples and draws.

    Raises:
        ValueError: no rows, arrays of different lengths, or a class out of range.
    """
    table = count_outcomes(labels, first, second, num_labels=num_labels)
    intervals, paired = bootstrap_intervals(table, seed=seed), posterior_scores(table, seed=seed)
    if intervals.accuracy_difference is None or intervals.macro_f1_difference is None:
        raise AssertionError("two models have differences")
    alone = [
        posterior_scores(count_outcomes(labels, predictions, num_labels=num_labels), seed=child)
        for predictions, child in ((first, 2 * seed), (second, 2 * seed + 1))
    ]
    return PairCertainty(
        accuracy_difference=intervals.accuracy_difference,
        macro_f1_difference=intervals.macro_f1_difference,
        mcnemar=mcnemar_exact(labels, first, second),
        accuracy_probability=probability_better(*paired.accuracy.T),
        macro_f1_probability=probability_better(*paired.macro_f1.T),
        independent_accuracy_probability=probability_better(*(drawn.accuracy[:, 0] for drawn in alone)),
        independent_macro_f1_probability=probability_better(*(drawn.macro_f1[:, 0] for drawn in alone)),
    )


def mcnemar_exact(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> McNemar:
    """Return McNemar's exact (binomial) test, by statsmodels; all arrays are int [n].

    References:
        McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from statsmodels.stats.contingency_tables import mcnemar

    ours, theirs = first == labels, second == labels
    both, only_first = int((ours & theirs).sum()), int((ours & ~theirs).sum())
    only_second, neither = int((~ours & theirs).sum()), int((~ours & ~theirs).sum())
    result = mcnemar([[both, only_first], [only_second, neither]], exact=True)
    return McNemar(both, only_first, only_second, neither, float(result.pvalue))
