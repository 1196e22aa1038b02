"""The campaign of processes that share an export's parts."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from command_lines import finish, start
from scripts.shards.campaign import Result
from scripts.shards.command_line import _job
from teacher_export.cost.simulation import simulate

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="it forks, and looks for processes in /proc")
def test_processes_that_are_killed_make_the_same_bytes():
    words = ("--rows", 1500, "--part-rows", 50, "--workers", 2, "--kills", 2, "--every", 0.3)
    status, output, error = finish(start("scripts.shards", *words, cwd=ROOT), 200)
    assert status == 0, output + error
    kills, verdicts = zip(*re.findall(r"2 workers: (\d+) kills, .* s, (.*)", output), strict=True)
    assert kills[0] == "0"  # undisturbed
    assert sum(map(int, kills)) >= 2
    assert set(verdicts) == {"the same"}
    assert re.search(rf"all +{sum(map(int, kills))} ", output)


def test_what_is_simulated_is_what_was_measured():
    calm = Result(1, 0.0, 0, 10, 25.0, 1, [2.0] * 10, 7.0, [])
    job = _job(calm, calm)
    assert simulate(job, 0).seconds == pytest.approx(25.0)
    two = Result(2, 0.0, 0, 10, 15.0, 2, [2.0] * 10, 7.0, [])
    assert simulate(_job(two, calm), 0).seconds == pytest.approx(5 + 5 * 2.0)
    killed = Result(2, 3.0, 2, 10, 15.0, 4, [2.0] * 10, 7.0, [])
    assert _job(killed, calm).between_failures == 6.0
    assert np.mean([simulate(_job(killed, calm), seed).seconds for seed in range(20)]) > 15
