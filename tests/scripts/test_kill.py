"""Commands killed at their file operations, and that the trials find a command that cannot be killed anywhere."""

import json
import os
from pathlib import Path

import pytest

from command_lines import ROOT, finish, python, start
from scripts.kill.bench import Bench
from scripts.kill.operations import Operation
from scripts.kill.scenarios import Stage, all_scenarios
from scripts.kill.trials import plan

# A minute of trials takes half of one more to make ready; without the variable, a slice of seconds is run.
MINUTES = os.environ.get("DISTILL_JAX_KILL_MINUTES")

_EVERY_TRIAL = """
import dataclasses, json, sys
from pathlib import Path
from scripts.kill.bench import Bench
from scripts.kill.scenarios import Scenario, Stage
from scripts.kill.trials import Trial
from scripts.trials.processes import Command
sys.path.insert(0, str(Path("tests/helpers").resolve()))
command = Command.of("two_files " + sys.argv[2])
scenario = Scenario("two files", Stage("nothing"), command, command)
bench = Bench(Path(sys.argv[1]))
expected = bench.expected(scenario)
results = [Trial(bench, scenario, expected, number, 0).run(Path(sys.argv[1], "kept")) for number in range(60)]
print(json.dumps([len(expected.operations), [dataclasses.asdict(result) for result in results]]))
"""


def _every_trial(folder, order):
    operations, results = json.loads(python(_EVERY_TRIAL, folder, order))
    assert len(results) > 1.5 * operations  # so that the trials have had each operation
    assert sum(result["kills"] for result in results) > operations
    return [result for result in results if result["verdict"] != "equal"]


def test_a_command_that_writes_in_order_is_equal_wherever_it_is_killed(tmp_path):
    assert _every_trial(tmp_path, "ordered") == []
    assert not (tmp_path / "kept").exists()


def test_a_command_that_writes_without_order_is_found(tmp_path):
    faults = _every_trial(tmp_path, "unordered")
    assert faults
    assert all("out/numbers.txt: missing" in fault["words"] for fault in faults)
    kept = tmp_path / "kept" / f"two files-{faults[0]['number']}"
    assert (kept / "killed/out/done.txt").is_file()
    assert not (kept / "work/out/numbers.txt").exists()


def test_two_workers_may_make_one_stage(tmp_path, monkeypatch):
    made = tmp_path / "stages/nothing"

    def be_late(source, target):
        if not made.exists():
            made.mkdir()
            (made / "theirs.txt").write_text("theirs")
        return rename(source, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", be_late)
    assert Bench(tmp_path).stage(Stage("nothing")) == made
    assert [path.name for path in made.iterdir()] == ["theirs.txt"]


def test_the_first_trials_take_every_operation_once():
    scenario = all_scenarios()[0]
    operations = tuple(Operation("open" if number % 2 else "rename", str(number)) for number in range(20))
    kills = [plan(scenario, operations, 3, number).kills[0] for number in range(90)]
    in_turn = [kill.operation for kill in kills[:30] if kill.cut is None and not kill.delay]
    assert sorted(in_turn) == list(range(1, 21))
    by_chance = [kill for kill in kills if kill.cut is not None or kill.delay]
    assert all((kill.cut is None) == (kill.delay > 0) for kill in by_chance)
    assert all(operations[kill.operation - 2].kind == "open" for kill in by_chance if kill.cut is not None)
    assert len({kill.operation for kill in by_chance}) > 10
    assert kills == [plan(scenario, operations, 3, number).kills[0] for number in range(90)]
    assert kills != [plan(scenario, operations, 4, number).kills[0] for number in range(90)]


@pytest.mark.timeout(240 if MINUTES is None else 600 + 120 * float(MINUTES))
def test_no_command_is_harmed_by_a_kill(tmp_path):
    """All of them with ``DISTILL_JAX_KILL_MINUTES``; a training in an ordinary run."""
    some = ["--minutes", "0.05", "--only", "fasttext", "--workers", "1"]
    words = some if MINUTES is None else ["--minutes", MINUTES]
    words += ["--keep", tmp_path / "kept", "--output", tmp_path / "figures.json"]
    seconds = 230 if MINUTES is None else 590 + 120 * float(MINUTES)
    status, output, error = finish(start("scripts.kill", *words, cwd=ROOT), seconds)
    assert status == 0, output + error
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["wrong"] == []
    assert figures["equal"] == figures["trials"] >= len(figures["operations"])
    assert figures["kills"] > 0
    assert "scenario" in output
    assert not (tmp_path / "kept").exists()


def test_a_scenario_that_is_none_is_refused():
    status, _, error = finish(start("scripts.kill", "--only", "expert", cwd=ROOT))
    assert status == 2
    assert "error: --only: expected names among export, finetune, " in error
    assert error.rstrip().endswith("got 'expert'")
