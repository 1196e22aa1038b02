"""Which student is recommended, and what the Pareto front is."""

import numpy as np
import pytest

from distill_jax.choosing.candidate import Candidate, Cost
from distill_jax.choosing.recommendation import Limits, pareto_front, recommended
from distill_jax.metrics.resampling import percentile_interval

LIMITS = Limits(2_000_000, 1.0)


def _candidate(name, score, size, p50=0.1, kind="student", noise=0.0):
    """Return a candidate whose draws go up and down together with the others', and by ``noise`` by themselves."""
    shared, own = np.random.default_rng(0).normal(0, 0.02, 1_000), np.random.default_rng(size or 0).normal(size=1_000)
    draws = score + shared + noise * own
    return Candidate(name, kind, percentile_interval(score, draws), draws, Cost(size, p50))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_smallest_that_is_not_clearly_worse_is_recommended(sign):
    small, middle, large = (
        _candidate("small", 0.50 * sign, 1_000, noise=0.02),
        _candidate("middle", 0.59 * sign, 2_000, noise=0.02),
        _candidate("large", 0.60 * sign, 3_000, noise=0.02),
    )
    found = recommended([large, small, middle], LIMITS, sign)
    assert found.candidate is middle
    assert "not clearly worse than the best within the limits, large" in found.reason
    assert "67 % of its bytes" in found.reason
    found = recommended([large, small], LIMITS, sign)
    assert found.candidate is large
    assert "clearly better than what is smaller (small)" in found.reason


def test_what_is_beyond_the_limits_is_not_recommended():
    fits, slow, large = (
        _candidate("fits", 0.5, 1_000),
        _candidate("slow", 0.7, 1_000, p50=3.0),
        _candidate("large", 0.8, 9_000_000),
    )
    found = recommended([fits, slow, large], LIMITS, 1)
    assert found.candidate is fits
    assert "the only student within the limits" in found.reason
    found = recommended([slow, large], LIMITS, 1)
    assert found.candidate is None
    assert "slow has a median of 3.00 ms for one text, more than 1" in found.reason
    assert "large has 9,000,000 bytes, more than 2,000,000" in found.reason


def test_a_teacher_and_a_baseline_are_not_recommended_but_a_baseline_that_does_as_well_is_named():
    student, teacher = _candidate("mine", 0.6, 9_000), _candidate("Teacher", 0.9, 10_000, kind="teacher")
    good, bad = (_candidate(name, score, 100, kind="baseline") for name, score in (("good", 0.61), ("bad", 0.3)))
    found = recommended([student, teacher, good, bad], LIMITS, 1)
    assert found.candidate is student
    assert "good does not do clearly worse (0.6100)" in found.reason
    assert "bad" not in found.reason


@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_of_the_front_is_surpassed_and_everything_else_is(sign):
    rng = np.random.default_rng(1)
    all_of_them = [
        _candidate(str(index), float(sign * rng.integers(0, 9)), int(rng.integers(1, 9))) for index in range(60)
    ]
    front = pareto_front([*all_of_them, _candidate("of unknown size", 99.0 * sign, None)], sign)

    def surpasses(first, second):
        better = sign * (first.score.value - second.score.value), second.cost.bytes - first.cost.bytes
        return min(better) >= 0 and max(better) > 0

    assert front
    for each in all_of_them:
        if each in front:
            assert not any(surpasses(other, each) for other in all_of_them)
        else:  # or it is the equal of one that is there
            assert any(
                surpasses(other, each) or (other.score.value, other.cost.bytes) == (each.score.value, each.cost.bytes)
                for other in front
            )
