"""A planned export whose parts a real Ray cluster of this machine computes, with an actor that is killed."""

import os
import signal
import threading
import time

import pytest

from command_lines import call, refusal
from distill_jax.export.writer import read_record
from distill_jax.extras import are_installed
from export_helpers import configure, contents
from teacher_export import export
from teacher_export.command_line import main
from teacher_export.parts.planning import make_plan

pytestmark = [
    pytest.mark.usefixtures("small_data"),
    pytest.mark.skipif(not are_installed("ray"), reason='Ray is not installed: pip install "distill-jax[ray]"'),
]


def _kill_one_at_work(folder, killed, ended):
    """Kill the actor that has written the first part as soon as it is there, unless all has ended before."""
    while not ended.is_set():
        for record in folder.glob("*/part-*.json"):
            _, notes = read_record(record)
            killed.append(int(notes["worker"].split()[-1]))
            os.kill(killed[0], signal.SIGKILL)
            return
        time.sleep(0.005)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_actors_compute_the_same_bytes_and_one_that_dies_is_replaced(headed, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    export.run(configure(headed, tmp_path / "whole", part_rows=2))
    config = configure(headed, tmp_path / "out", part_rows=2)
    make_plan(config)
    killed: list[int] = []
    ended = threading.Event()
    killer = threading.Thread(target=_kill_one_at_work, args=(config.export_folder, killed, ended))
    killer.start()
    words = ("part", "--output", config.export_folder, "--engine", "ray", "--workers", "2")
    status, output, error = call(capsys, main, *words)
    ended.set()
    killer.join()
    assert status == 0, error
    assert "labelling by 2 actors" in output
    assert len(killed) == 1
    workers = {read_record(path)[1]["worker"] for path in config.export_folder.glob("*/part-*.json")}
    assert len(workers) == 3  # two, and the one in the place of the one that was killed
    assert call(capsys, main, "finish", "--output", config.export_folder)[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_cluster_that_is_not_there_is_one_sentence(headed, tmp_path, capsys):
    config = configure(headed, tmp_path / "out")
    make_plan(config)
    words = ("part", "--output", config.export_folder, "--engine", "ray", "--address", "127.0.0.1:1")
    assert "--address 127.0.0.1:1: no Ray cluster answers there" in refusal(capsys, main, *words)
    assert "--workers goes with --engine ray" in refusal(capsys, main, "part", "--workers", "2")
