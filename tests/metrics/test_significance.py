import time

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from distill_jax.metrics.bootstrap import bootstrap_intervals
from distill_jax.metrics.classification import accuracy, macro_f1
from distill_jax.metrics.outcomes import class_sums, count_outcomes
from distill_jax.metrics.posterior import DRAWS, PRIOR_ROWS, credible_interval, posterior_scores, probability_better
from distill_jax.metrics.significance import mcnemar_exact, pair_certainty, score_certainty
from tolerances import STANDARD_ERRORS, share_error

CLASSES = 5


def classifier(rng, labels, skill, classes=CLASSES):
    """Return predictions: the true class with probability ``skill``, otherwise any."""
    return np.where(rng.random(labels.shape) < skill, labels, rng.integers(0, classes, labels.shape))


@pytest.fixture
def rows():
    """Labels and two classifiers' predictions of 400 rows, which differ."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 400)
    first, second = classifier(rng, labels, 0.45), classifier(rng, labels, 0.4)
    assert accuracy(labels, first) != accuracy(labels, second)
    return labels, first, second


def test_scores_of_counted_combinations_equal_scikit_learns_also_where_classes_are_missing():
    rng = np.random.default_rng(1)
    for size in (1, 2, 7, 60):
        labels, first, second = rng.integers(0, CLASSES, (3, size))
        table = count_outcomes(labels, first, second, num_labels=CLASSES)
        assert table.counts.sum() == size
        sums = class_sums(table, table.counts[None])
        assert sums.accuracy()[0] == pytest.approx([accuracy(labels, first), accuracy(labels, second)])
        assert sums.macro_f1()[0] == pytest.approx([macro_f1(labels, first), macro_f1(labels, second)])


def test_the_bootstrap_equals_one_that_scores_every_resample_by_scikit_learn(rows):
    labels, first, second = (array[:60] for array in rows)
    table = count_outcomes(labels, first, second, num_labels=CLASSES)
    ours = bootstrap_intervals(table, resamples=100, seed=3)
    direct = stats.bootstrap(
        (labels, first, second),
        lambda t, a, b: (macro_f1(t, a), macro_f1(t, a) - macro_f1(t, b)),
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=100,
        rng=np.random.default_rng(3),
    ).confidence_interval
    for interval, index in ((ours.macro_f1[0], 0), (ours.macro_f1_difference, 1)):
        assert (interval.low, interval.high) == pytest.approx((direct.low[index], direct.high[index]))


def test_bootstrap_intervals_cover_the_truth_about_as_often_as_they_say():
    # with ``skill`` s and 5 equal classes, the accuracy of the population is s + (1 - s)/5; so is its macro F1
    rng = np.random.default_rng(4)
    truths = [0.5 + 0.5 / CLASSES, 0.35 + 0.65 / CLASSES]
    trials, covered, posterior_covered = 150, np.zeros(3), 0
    for seed in range(trials):
        labels = rng.integers(0, CLASSES, 200)
        first, second = classifier(rng, labels, 0.5), classifier(rng, labels, 0.35)
        table = count_outcomes(labels, first, second, num_labels=CLASSES)
        found = bootstrap_intervals(table, resamples=400, seed=seed)
        for index, (interval, truth) in enumerate(
            (
                (found.accuracy[0], truths[0]),
                (found.macro_f1[0], truths[0]),
                (found.accuracy_difference, truths[0] - truths[1]),
            )
        ):
            covered[index] += interval.low <= truth <= interval.high
        drawn = posterior_scores(table, draws=400, seed=seed).accuracy[:, 0]
        posterior = credible_interval(drawn)
        posterior_covered += posterior.low <= truths[0] <= posterior.high
    assert ((covered / trials > 0.89) & (covered / trials < 0.99)).all(), covered
    assert 0.89 < posterior_covered / trials < 0.99


def test_one_row_leaves_all_scores_and_differences_possible():
    row = np.array([1])
    found = pair_certainty(row, row, np.array([2]), CLASSES)
    for difference in (found.accuracy_difference, found.macro_f1_difference):
        assert (difference.value, difference.low, difference.high) == (1, -1, 1)
    alone = score_certainty(row, row, CLASSES)
    assert [(score.value, score.low, score.high) for score in (alone.accuracy, alone.macro_f1)] == [(1, 0, 1)] * 2


def test_identical_models_do_not_differ(rows):
    labels, first, _ = rows
    found = pair_certainty(labels, first, first.copy(), CLASSES)
    for interval in (found.accuracy_difference, found.macro_f1_difference):
        assert (interval.value, interval.low, interval.high) == (0, 0, 0)
    assert found.mcnemar.p_value == 1
    assert found.accuracy_probability == pytest.approx(0.5, abs=share_error(0.5, DRAWS))
    assert found.macro_f1_probability == pytest.approx(0.5, abs=share_error(0.5, DRAWS))
    assert found.independent_accuracy_probability == pytest.approx(0.5, abs=share_error(0.5, DRAWS))


def test_a_clearly_better_model_is_called_so():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, CLASSES, 2000)
    good, bad = classifier(rng, labels, 0.5), classifier(rng, labels, 0.4)
    found = pair_certainty(labels, good, bad, CLASSES)
    assert min(found.accuracy_probability, found.macro_f1_probability) > 0.999
    assert found.accuracy_difference.low > 0
    assert found.mcnemar.p_value < 0.001


def test_exchanging_the_models_turns_every_answer_round(rows):
    labels, first, second = rows
    one, other = pair_certainty(labels, first, second, CLASSES), pair_certainty(labels, second, first, CLASSES)
    for ours, theirs in (
        (one.accuracy_difference, other.accuracy_difference),
        (one.macro_f1_difference, other.macro_f1_difference),
    ):
        assert (ours.value, ours.low, ours.high) == pytest.approx((-theirs.value, -theirs.high, -theirs.low))
    assert one.mcnemar.p_value == other.mcnemar.p_value
    assert (one.mcnemar.only_first, one.mcnemar.only_second) == (other.mcnemar.only_second, other.mcnemar.only_first)
    for name in ("accuracy_probability", "macro_f1_probability", "independent_accuracy_probability"):
        assert getattr(one, name) == pytest.approx(1 - getattr(other, name), abs=2 * share_error(0.5, DRAWS))
        assert not 0.45 < getattr(one, name) < 0.55


def test_mcnemar_equals_the_binomial_test_and_statsmodels(rows):
    labels, first, second = rows
    found = mcnemar_exact(labels, first, second)
    discordant = found.only_first + found.only_second
    assert found.p_value == pytest.approx(stats.binomtest(found.only_first, discordant).pvalue)
    table = [[found.both_right, found.only_first], [found.only_second, found.both_wrong]]
    assert found.p_value == mcnemar(table, exact=True).pvalue
    assert np.sum(table) == len(labels)
    assert found.both_right + found.only_first == (labels == first).sum()


def test_one_models_posterior_is_the_dirichlet_of_its_confusion_matrix():
    # few rows, so that the prior shows
    labels, predictions = np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2, 0])
    drawn = posterior_scores(count_outcomes(labels, predictions, num_labels=3), draws=40_000)
    counts = np.zeros((3, 3))
    np.add.at(counts, (labels, predictions), 1)
    rng = np.random.default_rng(6)
    matrices = rng.dirichlet((counts + PRIOR_ROWS / 9).reshape(-1), 40_000).reshape(-1, 3, 3)
    right = np.einsum("dii->di", matrices)
    f1 = (2 * right / (matrices.sum(axis=1) + matrices.sum(axis=2))).mean(axis=1)
    for ours, expected in ((drawn.accuracy[:, 0], right.sum(axis=1)), (drawn.macro_f1[:, 0], f1)):
        # The standard error of a quantile q is √(q · (1 − q) / draws) over the density, and largest in the tails here.
        assert np.quantile(ours, (0.025, 0.25, 0.5, 0.75, 0.975)) == pytest.approx(
            np.quantile(expected, (0.025, 0.25, 0.5, 0.75, 0.975)), abs=0.012
        )
    # accuracy's marginal is a beta, with the three diagonal cells' prior
    beta = stats.beta(4 + PRIOR_ROWS / 3, 2 + 2 * PRIOR_ROWS / 3)
    assert stats.kstest(drawn.accuracy[:, 0], beta.cdf).statistic < 0.01


def test_the_joint_table_leaves_each_models_own_posterior_as_it_was(rows):
    labels, first, second = rows
    joint = posterior_scores(count_outcomes(labels, first, second, num_labels=CLASSES), draws=20_000)
    for index, predictions in enumerate((first, second)):
        alone = posterior_scores(count_outcomes(labels, predictions, num_labels=CLASSES), draws=20_000, seed=7)
        for name in ("accuracy", "macro_f1"):
            ours, theirs = getattr(joint, name)[:, index], getattr(alone, name)[:, 0]
            error = STANDARD_ERRORS * (2 / len(ours)) ** 0.5  # of two means of as many draws, in standard deviations
            assert ours.mean() == pytest.approx(theirs.mean(), abs=error * theirs.std())
            assert ours.std() == pytest.approx(theirs.std(), rel=error)


def test_the_paired_probability_uses_that_models_are_right_on_the_same_rows():
    rng = np.random.default_rng(8)
    labels = rng.integers(0, CLASSES, 1000)
    first = classifier(rng, labels, 0.5)
    wrong = np.flatnonzero(first == labels)[:12]
    second = first.copy()
    second[wrong] = (labels[wrong] + 1) % CLASSES  # the same model, but for 12 rows that only the first gets right
    found = pair_certainty(labels, first, second, CLASSES)
    assert found.mcnemar.p_value == pytest.approx(2 * 0.5**12)
    assert found.accuracy_probability > 0.999
    assert 0.6 < found.independent_accuracy_probability < 0.8


def test_one_row_alone_is_no_certainty():
    labels, first = np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 0, 1, 2])
    second = np.array([0, 1, 2, 0, 1, 0])
    found = pair_certainty(labels, first, second, 3)
    assert found.mcnemar.p_value == 1
    assert 0.7 < found.accuracy_probability < 0.975


def test_equal_draws_count_half():
    assert probability_better(np.array([1, 2, 3, 0]), np.array([1, 1, 4, 0])) == (1 + 0.5 * 2) / 4


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(rows):
    labels, first, second = rows
    assert pair_certainty(labels, first, second, CLASSES) == pair_certainty(labels, first, second, CLASSES)
    assert score_certainty(labels, first, CLASSES) == score_certainty(labels, first, CLASSES)
    assert score_certainty(labels, first, CLASSES) != score_certainty(labels, first, CLASSES, seed=1)


def test_five_thousand_resamples_of_the_demos_rows_take_about_a_second():
    rng = np.random.default_rng(9)
    labels = rng.integers(0, CLASSES, 2826)
    table = count_outcomes(labels, classifier(rng, labels, 0.4), classifier(rng, labels, 0.3), num_labels=CLASSES)
    bootstrap_intervals(table, resamples=10)  # the imports
    started = time.process_time()
    bootstrap_intervals(table)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("classes", [2, 40])
def test_any_number_of_classes_serves(classes):
    rng = np.random.default_rng(10)
    labels = rng.integers(0, classes, 300)
    found = score_certainty(labels, classifier(rng, labels, 0.6, classes), classes)
    for interval in (found.accuracy, found.macro_f1, found.accuracy_posterior):
        assert 0 < interval.low < interval.value < interval.high < 1


def test_what_cannot_be_counted_is_refused():
    one, none = np.array([0, 1]), np.array([], np.int64)
    for arrays, message in (
        ((none, none), "at least one row"),
        ((one,), "at least one model"),
        ((one, np.array([0])), "shapes"),
        ((one, np.array([0, 5])), "expected classes 0 to 2, got 0 to 5"),
        ((np.array([0, -1]), one), "got -1 to 1"),
    ):
        with pytest.raises(ValueError, match=message):
            count_outcomes(*arrays, num_labels=3)
    with pytest.raises(ValueError, match="one or two models, got 3"):
        bootstrap_intervals(count_outcomes(one, one, one, one, num_labels=3))
