"""The task ``single-label``: the temperature of its probabilities, fitted to validation rows."""

import json

import numpy as np
import pytest
from scipy.special import softmax

from distill_jax.errors import InputError
from distill_jax.tasks.registry import SINGLE_LABEL

RNG = np.random.default_rng(0)
MEANT = RNG.normal(0, 1.5, (400, 4))
LABELS = (softmax(MEANT, axis=1).cumsum(axis=1) > RNG.random((400, 1))).argmax(axis=1).astype(np.int32)
LOGITS = (3 * MEANT).astype(np.float32)
TUNED = SINGLE_LABEL.tuned(LABELS, LOGITS)


def test_probabilities_are_those_of_the_divided_logits_and_likelier():
    assert TUNED.temperature == pytest.approx(3, rel=0.15)
    probabilities = TUNED.probabilities(LOGITS)
    np.testing.assert_allclose(probabilities, softmax(LOGITS.astype(np.float64) / TUNED.temperature, axis=1))
    own, plain = (found[np.arange(400), LABELS] for found in (probabilities, SINGLE_LABEL.probabilities(LOGITS)))
    assert -np.log(own).mean() < -np.log(plain).mean()


def test_answers_scores_losses_and_the_distance_from_a_teacher_are_the_same_without_it():
    np.testing.assert_array_equal(TUNED.answers(LOGITS), SINGLE_LABEL.answers(LOGITS))
    np.testing.assert_array_equal(TUNED.losses(LOGITS, LABELS), SINGLE_LABEL.losses(LOGITS, LABELS))
    assert TUNED.distance(MEANT, LOGITS) == SINGLE_LABEL.distance(MEANT, LOGITS)
    for tuned, plain in zip(TUNED.metrics, SINGLE_LABEL.metrics, strict=True):
        assert tuned.of(LABELS, LOGITS) == plain.of(LABELS, LOGITS)
    lines = [
        [
            json.loads(line)
            for line in task.json_lines(("a", "b", "c", "d"), ensure_ascii=True).format(LOGITS).splitlines()
        ]
        for task in (TUNED, SINGLE_LABEL)
    ]
    assert [line["label"] for line in lines[0]] == [line["label"] for line in lines[1]]
    surest = [np.mean([max(line["probabilities"].values()) for line in written]) for written in lines]
    assert surest[0] < surest[1] - 0.1  # it was too sure of itself


def test_rows_without_a_label_say_nothing_of_it():
    more = np.concatenate([LABELS, np.full(50, -1, np.int32)])
    assert SINGLE_LABEL.tuned(more, np.concatenate([LOGITS, 9 * LOGITS[:50]])) == TUNED


@pytest.mark.parametrize(
    ("labels", "logits", "teacher_logits"),
    [
        (LABELS[:99], LOGITS[:99], None),
        (np.where(np.arange(400) < 99, LABELS, -1), LOGITS, LOGITS),
        (np.full_like(LABELS, -1), LOGITS, MEANT),  # answers of a teacher are no truth to be sure of
        (LOGITS.argmax(axis=1), LOGITS, None),
        (LABELS, np.zeros_like(LOGITS), None),
        (LABELS[:0], LOGITS[:0], None),
    ],
    ids=["few rows", "few labels", "the teacher's answers", "all right", "knows nothing", "no rows"],
)
def test_nothing_is_fitted_where_rows_do_not_tell(labels, logits, teacher_logits):
    assert SINGLE_LABEL.tuned(labels, logits, teacher_logits) == SINGLE_LABEL
    assert (SINGLE_LABEL.decision(), SINGLE_LABEL.decision_words) == ({}, ())


def test_it_is_kept_as_it_is_and_taken_back():
    assert SINGLE_LABEL.decided(json.loads(json.dumps(TUNED.decision())), 4) == TUNED
    assert SINGLE_LABEL.decided({}, 4) == TUNED.undecided() == SINGLE_LABEL
    assert SINGLE_LABEL.decided({"temperature": 2}, 4).temperature == 2.0


@pytest.mark.parametrize("value", ["hot", None, True, [1.5], 0, -1.5, 0.04, 21, 10**400, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(value):
    with pytest.raises(InputError, match=r"expected a temperature from 0\.05 to 20 and nothing else, got \{'temp"):
        SINGLE_LABEL.decided({"temperature": value}, 4)


def test_what_stands_beside_a_temperature_is_refused():
    for decision in ({"temperature": 1.5, "thresholds": [0.5]}, {"other": 1}):
        with pytest.raises(InputError, match="and nothing else, got"):
            SINGLE_LABEL.decided(decision, 4)
