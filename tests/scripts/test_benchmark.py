"""The benchmark: its arithmetic, its data, its table and files, and that a match is played by two real processes."""

import ast
import collections
import dataclasses
import importlib.util
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from command_lines import refusal
from distill_jax.data.examples import read_examples
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.extras import require_packages
from scripts.benchmark import catalogue, command_line, growth
from scripts.benchmark.exports import text_blocks, word_tokenizer, write_export, write_texts
from scripts.benchmark.fasttext_cpp import in_new_process
from scripts.benchmark.gpu import encoder_operations, gpu_matches
from scripts.benchmark.matches import FailedError, RefusedError, play
from scripts.benchmark.report import HEADER, chart, notes, table, to_json, verdict
from scripts.benchmark.rows import Match, Measurement, Row, RowResult, Side
from scripts.benchmark.sizes import QUICK
from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, draw_lengths, padded_rows
from scripts.benchmark.training import fit_student

TRAINING = Row("training", "training", "steps", "ours", "theirs", at_least=2, aim=5)
WAITING = Row("waiting", "waiting", "s", "ours", at_least=1, aim=0.5, in_seconds=True)
SIZES = {"vocab_size": 60, "occurring": 40, "length": 12}


def result(row, ours, theirs=()):
    return RowResult(row, *(tuple(Measurement(100, seconds) for seconds in side) for side in (ours, theirs)))


def waiting(*seconds):
    return RowResult(WAITING, tuple(Measurement(1, value) for value in seconds))


def test_a_ratio_is_taken_turn_by_turn_and_its_median_counts():
    compared = result(TRAINING, ours=(1.0, 2.0, 1.0), theirs=(3.0, 5.0, 40.0))
    assert compared.figures == [3.0, 2.5, 40.0]
    assert (compared.figure.median, compared.figure.low, compared.figure.high) == (3.0, 2.5, 40.0)


def test_a_target_is_reached_from_above_by_a_ratio_and_from_below_by_a_wait():
    assert verdict(result(TRAINING, (1.0,), (1.9,))) == "not met"
    assert verdict(result(TRAINING, (1.0,), (2.0,))) == "met"
    assert verdict(result(TRAINING, (1.0,), (5.0,))) == "aim reached"
    assert [verdict(waiting(seconds)) for seconds in (1.1, 0.9, 0.4)] == ["not met", "met", "aim reached"]
    assert verdict(result(Row("r", "r", "steps", "ours", "theirs"), (1.0,), (9.0,))) == ""


def test_the_table_shows_every_column():
    lines = table([result(TRAINING, (1.0, 1.0), (3.0, 1200.0)), waiting(0.7)]).splitlines()
    assert lines[0].split("  ")[0].strip() == HEADER[0]
    assert lines[2].split() == ["training", "100", "steps/s", "16.7", "602×", "3–1,200", "2×", "5×", "aim", "reached"]
    assert lines[3].split() == ["waiting", "0.70", "s", "0.70–0.70", "s", "1", "s", "0.5", "s", "met"]


def test_the_json_holds_every_turn_and_the_chart_every_target(tmp_path):
    results = [result(TRAINING, (1.0, 2.0), (3.0, 5.0)), waiting(0.7)]
    command_line.write_results(tmp_path, results, [{"name": "other", "reason": "no file"}], {"repeats": 2})
    found = json.loads((tmp_path / command_line.TABLE).read_text())
    assert set(found) == {"program", "machine", "versions", "settings", "rows", "skipped", "beside"}
    assert [row["name"] for row in found["rows"]] == ["training", "waiting"]
    assert [turn["seconds"] for turn in found["rows"][0]["theirs"]["turns"]] == [3.0, 5.0]
    assert found["rows"][0]["figure"] == {"median": 2.75, "low": 2.5, "high": 3.0}
    assert found["rows"][1]["theirs"] is None
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["numpy"] == np.__version__
    assert (tmp_path / command_line.CHART).read_bytes().startswith(b"\x89PNG")


def test_the_chart_measures_waits_the_other_way_round():
    data = chart([result(TRAINING, (1.0,), (4.0,)), waiting(0.5)]).to_dict()["datasets"]
    bars = next(rows for rows in data.values() if "share" in rows[0])
    assert [(bar["share"], bar["aim"]) for bar in bars] == [(2.0, 2.5), (2.0, 2.0)]
    assert chart([result(Row("r", "r", "steps", "ours", "theirs"), (1.0,), (9.0,))]) is None


def test_what_turns_noted_is_said():
    turns = tuple(Measurement(1, 1.0, {"argmax_agreement": share}) for share in (0.99, 0.995, 0.999))
    assert notes([RowResult(TRAINING, turns, turns), waiting(1.0)]) == ["training: argmax agreement 0.995"]


def test_a_match_is_played_in_turns_by_processes_of_their_own(test_cache):
    match = Match(
        {
            "ours": Side(
                "scripts.benchmark.training:fit_student", {"student": "cnn", "rows": 64, "test_rows": 8, **_FIT}
            ),
            "theirs": Side("scripts.benchmark.reference:torch_training", {"student": "cnn", "steps": 2, **SIZES}),
        },
        (TRAINING,),
    )
    turns = []
    (played,) = play(match, match.rows, 2, lambda: turns.append(1))
    assert len(turns) == 2 * (1 + 2)
    assert [turn.work for turn in played.ours] == [2, 2]
    assert all(turn.seconds > 0 for turn in (*played.ours, *played.theirs))
    assert set(played.warm_up) == {"ours", "theirs"}
    assert json.loads(json.dumps(to_json(played)))["figure"]["median"] == played.figure.median


_FIT = {**SIZES, "epochs": 1}


def test_a_side_that_cannot_run_says_why_and_one_that_fails_says_how():
    refused = Side("scripts.benchmark.teacher:padded_loop", {"teacher": "", "folder": "", "texts": 1, "wrong": 1})
    with pytest.raises(
        FailedError, match=r"scripts.benchmark.teacher:padded_loop ended with status 1:(.|\n)*TypeError"
    ):
        play(Match({"ours": refused}, (WAITING,)), (WAITING,), 1)
    bad = Side("scripts.benchmark.training:fit_student", {"student": "cnn", "rows": 0, "test_rows": 8, **_FIT})
    with pytest.raises(RefusedError, match="train: expected at least one row, got none"):
        play(Match({"ours": bad}, (WAITING,)), (WAITING,), 1)


def test_rows_that_cannot_be_measured_are_skipped_with_the_reason(tmp_path, capsys):
    matches = catalogue.all_matches(QUICK, tmp_path, tmp_path / "no-export", tmp_path / "no-teacher")
    chosen = catalogue.choose(matches, ["teacher-float32", "cnn-text-teacher"])
    results, skipped, failed = command_line.play_all(chosen, 1)
    assert (results, failed) == ([], False)
    assert {row["name"] for row in skipped} == {"teacher-float32", "cnn-text-teacher"}
    assert "there is no" in capsys.readouterr().err
    assert "python -m teacher_export" in skipped[0]["reason"]


def test_every_target_of_the_project_is_a_row(tmp_path):
    matches = catalogue.all_matches(QUICK, tmp_path, tmp_path, tmp_path)
    rows = {row.name: row for match in matches for row in match.rows}
    assert len(rows) == sum(len(match.rows) for match in matches)
    assert all({row.ours, row.theirs} <= {*match.sides, None} for match in matches for row in match.rows)
    assert sum(row.at_least is not None for row in rows.values()) == 15


def test_rows_need_the_packages_of_their_own_sides_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fasttext" else name)
    matches = [*catalogue.all_matches(QUICK, tmp_path, tmp_path, tmp_path), *gpu_matches(QUICK, "", None)]
    needing = [
        row.name
        for match in matches
        for row in match.rows
        if "fasttext" in catalogue.packages_of([(dataclasses.replace(match, skip=None), [row])])
    ]
    assert needing == ["fasttext-cpp", "fasttext-cpp-2", "fasttext-text-cpp"]
    require_packages(*catalogue.packages_of((match, match.rows) for match in gpu_matches(QUICK, "", None)))
    with pytest.raises(InputError, match=r"the benchmark needs the extra bench: .*fasttext is not installed"):
        require_packages(*catalogue.packages_of(catalogue.choose(matches, ["fasttext-cpp"])), what="the benchmark")


def test_a_skipped_match_needs_no_package(tmp_path):
    chosen = catalogue.choose(catalogue.all_matches(QUICK, tmp_path, tmp_path, tmp_path), ["teacher-float32"])
    assert catalogue.packages_of(chosen) == []


def test_sides_say_which_packages_their_modules_import(tmp_path):
    matches = [*catalogue.all_matches(QUICK, tmp_path, tmp_path, tmp_path), *gpu_matches(QUICK, "", None)]
    said = collections.defaultdict(set)
    for side in (side for match in matches for side in match.sides.values()):
        said[side.function.split(":")[0]].update(side.packages)
    for module, packages in said.items():
        tree = ast.parse(Path(*module.split(".")).with_suffix(".py").read_text())
        names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        optional = {"fasttext", "torch", "transformers"} & {name.split(".")[0] for name in names}
        assert packages >= optional, module


def test_an_unknown_row_is_refused(tmp_path, capsys):
    with pytest.raises(InputError, match=r"--only: expected rows among start-help, .*, got 'fastest'"):
        catalogue.choose(catalogue.all_matches(QUICK, tmp_path, tmp_path, tmp_path), ["fastest"])
    message = refusal(capsys, command_line.main, "--repeats", "0")
    assert message == "--repeats: expected a number at least 1 and at most 1,000, got 0"


def test_prediction_cannot_grow_without_its_training(capsys):
    assert "needs train-cnn" in refusal(capsys, growth.main, "--only", "predict-cnn", "train-fasttext")
    assert "--rows: expected a number at least 1,000" in refusal(capsys, growth.main, "--rows", "10")


def test_growth_shows_what_a_further_row_takes():
    costs = [
        growth.Cost("train-cnn", rows, seconds, size)
        for rows, seconds, size in ((1000, 3, 10**9), (3000, 5, 4 * 10**9))
    ]
    first, second = growth.table(costs).splitlines()[2:]
    assert first.split() == ["train-cnn", "1,000", "3.0", "s", "1.00", "GB", "yes"]
    assert second.split()[-5:] == ["1,000", "µs,", "1,500,000", "bytes", "no"]


def test_a_command_s_peak_is_its_own_and_not_that_of_the_process_which_measures(tmp_path):
    ballast = np.ones(400_000_000, np.uint8)  # in this process, from which the other one is forked
    status, seconds, peak = growth.run_measured(["-c", "print(7)"], tmp_path / "output", tmp_path / "errors")
    assert (status, (tmp_path / "output").read_bytes()) == (0, b"7\n")
    assert peak < len(ballast) / 2
    assert seconds > 0
    status, *_ = growth.run_measured(["-c", "raise SystemExit(3)"], tmp_path / "output", tmp_path / "errors")
    assert status == 3


def test_a_measured_process_is_stopped_at_its_limit(tmp_path):
    words = ["-c", "import time; time.sleep(600)"]
    assert growth.run_measured(words, tmp_path / "output", tmp_path / "errors", 0.5)[0] == -signal.SIGKILL


def test_growth_measures_a_real_training(tmp_path, test_cache):
    (cost,) = growth.measure(tmp_path / "rows", 1000, ["train-fasttext"])
    assert (cost.command, cost.rows, cost.within_limit) == ("train-fasttext", 1000, True)
    assert cost.seconds > 0.5
    assert cost.peak_bytes > 10**8  # no Python with JAX in it takes less


def test_made_up_rows_are_full_and_hold_every_token_that_occurs():
    input_ids, labels = padded_rows(Language(500, 200), 300, 16)
    assert (input_ids != PAD_ID).all()
    assert len(np.unique(input_ids)) == 200
    assert set(labels.tolist()) == set(range(CLASSES))
    counts = np.sort(np.bincount(input_ids.ravel()))[::-1]
    assert counts[0] > 20 * counts[150]  # a few tokens are frequent, most are rare


def test_made_up_lengths_have_the_mean_asked_for():
    lengths = draw_lengths(20_000, 128, 70.0, np.random.default_rng(0))
    assert abs(lengths.mean() - 70) < 1
    assert (lengths.min() >= 3, lengths.max()) == (True, 128)


def test_a_made_up_export_is_one_that_training_reads(tmp_path):
    folder = write_export(tmp_path / "export", Language(90, 50), train=70, test=20, length=16, mean_length=8)
    train = read_examples(folder, read_manifest(folder), "train")
    assert (len(train), train.length) == (70, 16)
    assert (train.teacher_logits.argmax(axis=1) == train.labels).mean() > 0.5


def test_made_up_texts_tokenize_to_the_tokens_drawn(tmp_path):
    language = Language(90, 50)
    lines = write_texts(tmp_path / "t.csv", language, 20, 8, 16, table=True).read_text().splitlines()
    ((tokens, labels),) = text_blocks(language, 20, 16, 8, seed=3)
    text, label = lines[1].split(",")
    assert (lines[0], label) == ("text,label", f"class {labels[0]}")
    expected = np.maximum(tokens.take(np.array([0])).ids, 4).tolist()
    assert word_tokenizer(90).encode(text).ids == [2, *expected, 3]


def test_the_encoders_operations_are_those_of_its_matrices():
    config = type("Config", (), {"n_layers": 2, "dim": 3, "hidden_dim": 5})
    by_hand = 2 * (2 * 7 * (4 * 9 + 2 * 15) + 2 * 2 * 49 * 3)
    assert encoder_operations(config, np.array([7])) == by_hand


def test_a_turn_counts_the_steps_of_all_epochs(test_cache):
    turn = fit_student(student="fasttext", rows=30, test_rows=5, epochs=3, **SIZES)
    assert turn().work == 90


def test_every_training_of_fasttext_may_have_a_process_of_its_own():
    processes = {os.getpid(), *(in_new_process(os.getpid) for _ in range(2))}
    assert len(processes) == 3
