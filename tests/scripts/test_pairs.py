"""Two commands at once on one folder: a few trials of the pairs that take no training."""

import json

import pytest

from command_lines import finish, start

_PAIRS = ("export and export", "fine-tuning and fine-tuning")


def test_two_commands_on_one_folder_harm_nothing(tmp_path):
    words = ("--trials", 2, "--seed", 5, "--output", tmp_path / "found.json", "--keep", tmp_path / "harmed")
    status, output, error = finish(start("scripts.pairs", *words, "--only", *_PAIRS))
    assert status == 0, error
    found = json.loads((tmp_path / "found.json").read_text())["pairs"]
    assert found.keys() == set(_PAIRS)
    for name, pair in found.items():
        assert name in output
        assert pair["harmed"] == []
        assert sum(pair["succeeded"].values()) == 2
        assert pair["succeeded"]["both"] + pair["succeeded"]["one"] > 0


def test_a_pair_of_another_name_is_refused(capsys):
    from command_lines import refusal
    from scripts.pairs.command_line import main

    assert refusal(capsys, main, "--only", "nothing").startswith("--only: expected a word of train and train, ")


@pytest.mark.parametrize(
    ("error", "refused"), [("error: a\n", True), ("error: a\nerror: b\n", False), ("Traceback\nerror: a\n", False)]
)
def test_a_refusal_is_one_sentence(error, refused):
    from scripts.trials.processes import Ended

    assert Ended(2, "", error, 0.1).refused == refused
