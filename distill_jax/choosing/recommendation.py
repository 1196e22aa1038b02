"""The Pareto front of candidates, and which of the students to ship."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from distill_jax.choosing.candidate import Candidate
from distill_jax.metrics.resampling import Difference, difference


@dataclasses.dataclass(frozen=True)
class Limits:
    """What may be shipped.

    Attributes:
        bytes: the largest file.
        latency_ms: what half of the texts, one at a time, are to be answered within: the 99th percentile tells what
            else the machine does.
    """

    bytes: int
    latency_ms: float

    def excess(self, candidate: Candidate) -> str | None:
        """Return what of a candidate is beyond the limits, in words; None where nothing is."""
        cost = candidate.cost
        if cost.bytes is not None and cost.bytes > self.bytes:
            return f"{cost.bytes:,} bytes, more than {self.bytes:,}"
        if cost.p50_ms is not None and cost.p50_ms > self.latency_ms:
            return f"a median of {cost.p50_ms:.2f} ms for one text, more than {self.latency_ms:g}"
        return None


@dataclasses.dataclass(frozen=True)
class Recommendation:
    """What to ship.

    Attributes:
        candidate: the student; None = none is within the limits.
        reason: why, in a sentence or two.
    """

    candidate: Candidate | None
    reason: str


def pareto_front(candidates: Sequence[Candidate], sign: int) -> list[Candidate]:
    """Return the candidates that no other surpasses in score or in bytes without falling behind in the other.

    Args:
        candidates: all of them; those of unknown size are none of the front.
        sign: 1 where a larger score is better, −1 where a smaller one is.
    """
    front: list[Candidate] = []
    sized = [(each.cost.bytes, -sign * each.score.value, place) for place, each in enumerate(candidates)]
    for size, _, place in sorted(key for key in sized if key[0] is not None):
        del size
        each = candidates[place]
        if not front or sign * each.score.value > sign * front[-1].score.value:
            front.append(each)
    return front


def recommended(candidates: Sequence[Candidate], limits: Limits, sign: int) -> Recommendation:
    """Return the smallest student within the limits that is not clearly worse than the best one within them.

    Args:
        candidates: students, baselines, the teacher.
        limits: what may be shipped.
        sign: 1 where a larger score is better, −1 where a smaller one is.
    """
    students = [each for each in candidates if each.kind == "student"]
    within = [each for each in students if limits.excess(each) is None]
    if not within:
        nearest = "; ".join(f"{each.name} has {limits.excess(each)}" for each in students)
        return Recommendation(None, f"No student is within the limits: {nearest}.")
    best = max(within, key=lambda each: sign * each.score.value)
    equals = [each for each in within if not _is_clearly_better(best, each, sign)]
    chosen = min(equals, key=lambda each: (each.cost.bytes or 0, each.name))
    return Recommendation(chosen, " ".join([_reason(chosen, best, within), *_beside(chosen, candidates, sign)]))


def _reason(chosen: Candidate, best: Candidate, within: Sequence[Candidate]) -> str:
    if len(within) == 1:
        return f"{chosen.name} is the only student within the limits, at {chosen.score.value:.4f}."
    if chosen is best:
        smaller = [each.name for each in within if (each.cost.bytes or 0) < (chosen.cost.bytes or 0)]
        than = f", clearly better than what is smaller ({', '.join(smaller)})" if smaller else " and the smallest"
        return f"{chosen.name} has the best score within the limits, {chosen.score.value:.4f}{than}."
    lead, share = _lead(best, chosen).interval, 100 * (chosen.cost.bytes or 0) / (best.cost.bytes or 1)
    return (
        f"{chosen.name} is not clearly worse than the best within the limits, {best.name}, which leads by "
        f"{lead.value:+.4f} ({lead.low:+.4f} to {lead.high:+.4f}), and has {share:.0f} % of its bytes."
    )


def _beside(chosen: Candidate, candidates: Sequence[Candidate], sign: int) -> list[str]:
    """Return what a user should know of the baselines: those that the student does not clearly surpass."""
    equal = [each for each in candidates if each.kind == "baseline" and not _is_clearly_better(chosen, each, sign)]
    return [f"{each.name} does not do clearly worse ({each.score.value:.4f})." for each in equal]


def _is_clearly_better(first: Candidate, second: Candidate, sign: int) -> bool:
    interval = _lead(first, second).interval
    return first is not second and (interval.low > 0 if sign > 0 else interval.high < 0)


def _lead(first: Candidate, second: Candidate) -> Difference:
    return difference([first.score.value, second.score.value], np.stack([first.draws, second.draws], axis=1))
