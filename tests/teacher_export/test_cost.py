"""What many rows cost: measured, calculated, and simulated with machines that fail."""

import json
import math

import numpy as np
import pytest

from command_lines import call, refusal
from distill_jax.errors import InputError
from teacher_export.command_line import main
from teacher_export.cost.probe import made_up_texts
from teacher_export.cost.simulation import Job, mean_of, simulate
from tiny_teacher import make_tokenizer


def test_a_job_without_failures_takes_the_seconds_of_its_parts():
    for workers, rounds in ((1, 12), (5, 3), (12, 1), (100, 1)):
        outcome = simulate(Job(parts=12, seconds=[2.0], workers=workers, start=7.0), seed=0)
        assert outcome.seconds == 7 + 2 * rounds
        assert (outcome.lost, outcome.failures) == (0, 0)
        assert outcome.useful == pytest.approx(24 / (outcome.seconds * workers))


def test_failures_cost_what_they_must():
    """A part of which each try ends well with the probability p = exp(-s/m) takes (m + restart)(1/p - 1) seconds."""
    mean, spent, restart, parts = 40.0, 10.0, 3.0, 4000
    job = Job(parts, [spent], workers=1, between_failures=mean, restart=restart)
    found = mean_of(job, range(3))
    good = math.exp(-spent / mean)
    # Dying after an exponential time, of which a worker forgets what was, a try costs the same whenever it begins.
    expected = parts * (mean + restart) * (1 / good - 1)
    assert found.seconds == pytest.approx(expected, rel=0.05)
    assert found.lost == pytest.approx(parts * (1 / good - 1), rel=0.05)
    assert found.failures == found.lost
    assert simulate(job, 1) == simulate(job, 1) != simulate(job, 2)


def test_the_last_parts_of_slow_workers_are_waited_for():
    seconds = np.random.default_rng(0).uniform(1, 2, 50)
    plain = Job(parts=64, seconds=seconds, workers=8)
    slow = Job(parts=64, seconds=seconds, workers=8, slow_share=0.5, slow_times=4)
    assert mean_of(slow, range(5)).seconds > 1.3 * mean_of(plain, range(5)).seconds


def test_made_up_texts_have_the_tokens_that_are_asked_for():
    tokenizer = make_tokenizer().backend_tokenizer
    texts = made_up_texts(tokenizer, 30, seed=0)
    assert texts == made_up_texts(tokenizer, 30, seed=0)
    lengths = [len(encoded.ids) for encoded in tokenizer.encode_batch(texts[:200], add_special_tokens=False)]
    assert 20 < np.mean(lengths) <= 30  # special tokens among those drawn are not shown


def test_the_price_is_said_before_the_bill(capsys, headed, tmp_path):
    words = ("cost", "--teacher", headed, "--max-length", 32, "--seconds", 1, "--tokens", 12, "--machines", 1, 4)
    status, output, error = call(capsys, main, *words, "--rows", "1e9", "--teacher-price", 2.5)
    assert status == 0, error
    for expected in ("The teacher's pass over 1,000,000,000 rows, $2.5 an hour", "GB of parts", "its tokenizer"):
        assert expected in output
    status, output, _ = call(
        capsys, main, "cost", "--teacher-rate", 1000, "--student-rate", 1e5, "--machines", 10, "--failures", 0
    )
    assert status == 0
    # 1e9 rows at 10 × 1,000 a second are 27.78 hours of ten machines at $0.80; at 10 × 100,000 a second a hundredth.
    rows = [line.split() for line in output.splitlines() if line.startswith("10 ")]
    assert [row[:3] for row in rows] == [["10", "27.78", "222.22"], ["10", "0.28", "0.23"]]
    timing = tmp_path / "timing.json"
    timing.write_text(json.dumps({"teacher_documents_per_second": 1000.0, "part_seconds": [1.0, 3.0]}))
    status, output, _ = call(capsys, main, "cost", "--timing", timing, "--machines", 10)
    assert (status, "27.78" in output) == (0, True)
    timing.write_text('{"teacher_documents_per_second": 1000.0}')
    assert "expected the timing.json of a planned export" in refusal(capsys, main, "cost", "--timing", timing)
    assert "expected a packed student nowhere.djx" in refusal(
        capsys, main, "cost", "--teacher-rate", 5, "--student", "nowhere.djx"
    )
    assert "--rows: expected" in refusal(capsys, main, "cost", "--rows", 0)


@pytest.mark.parametrize(
    "options", [{"seconds": [1e9], "between_failures": 100.0}, {"start": 1e4, "between_failures": 1.0}]
)
def test_a_job_that_never_ends_is_refused(options):
    with pytest.raises(InputError, match="the simulated job does not end"):
        simulate(Job(**{"parts": 100, "seconds": [1.0], "workers": 4, "restart": 10.0, **options}), seed=0)


def test_a_rate_is_given_once(capsys, tmp_path):
    message = refusal(capsys, main, "cost", "--rows", "10", "--student", tmp_path, "--student-rate", "5")
    assert "--student and --student-rate both give the student's rate" in message
