"""All that is said of one model's logits on the test rows: scores with their intervals, ratings, calibration."""

import dataclasses

import numpy as np

from distill_jax.metrics.calibration import ReliabilityCurve, divergence, reliability_curve
from distill_jax.metrics.classification import agreement
from distill_jax.metrics.ratings import RatingScores, rating_scores, ratings_of
from distill_jax.metrics.significance import PairCertainty, ScoreCertainty, pair_certainty, score_certainty
from distill_jax.runs.folder import Run, scored


@dataclasses.dataclass(frozen=True)
class Measures:
    """A model's measures; the scores are over the labelled rows, those against the teacher over all.

    Attributes:
        scores: accuracy and macro F1, with intervals.
        ratings: the scores for ratings; None where the classes' names are no ratings.
        reliability: accuracy against confidence, which the calibration error (ECE) is computed from; of the logits as
            they are, so that trainings can be compared by it.
        temperature: what the model's logits are divided by before they become probabilities; None = nothing was fitted.
        calibrated: the same curve of the probabilities that it gives; without a temperature the same.
        agreement: share of rows for which it names the teacher's class.
        divergence: KL(teacher ‖ model), nats, mean over the rows.
    """

    scores: ScoreCertainty
    ratings: RatingScores | None
    reliability: ReliabilityCurve
    temperature: float | None
    calibrated: ReliabilityCurve
    agreement: float
    divergence: float


def measure(run: Run, *, teacher: bool = False) -> Measures:
    """Measure a run's student, or its teacher, on the run's test rows, of which at least one has a label."""
    logits = run.predictions.teacher_logits if teacher else run.predictions.logits
    labels, predicted = scored(run, logits)
    ratings = ratings_of(run.label_names)
    known = logits[run.predictions.labels >= 0].astype(np.float64)
    temperature = None if teacher else run.task.temperature
    reliability = reliability_curve(known, labels)
    return Measures(
        scores=score_certainty(labels, predicted, len(run.label_names)),
        ratings=None if ratings is None else rating_scores(labels, predicted, ratings),
        reliability=reliability,
        temperature=temperature,
        calibrated=reliability if temperature is None else reliability_curve(known / temperature, labels),
        agreement=agreement(logits, run.predictions.teacher_logits),
        divergence=divergence(run.predictions.teacher_logits, logits),
    )


def measure_pair(first: Run, second: Run, *, second_is_teacher: bool = False) -> PairCertainty:
    """Compare a run's student with another's on the same rows, or with the other's teacher."""
    theirs = second.predictions.teacher_logits if second_is_teacher else second.predictions.logits
    labels, ours = scored(first, first.predictions.logits)
    return pair_certainty(labels, ours, scored(second, theirs)[1], len(first.label_names))
