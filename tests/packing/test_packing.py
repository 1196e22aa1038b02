"""Packing: what is kept, how small, what it costs, and that it is said before anything is written."""

import dataclasses
import json
import os

import numpy as np
import pytest

import distill_jax as dj
from command_lines import call
from distill_jax.data.exports import Export
from distill_jax.errors import InputError
from distill_jax.metrics.calibration import reliability_curve
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import Difference
from distill_jax.pack import main
from distill_jax.packed.student import read_packed, whole_student
from distill_jax.packed.vocabulary import vocabulary_ids
from distill_jax.packing import loss
from distill_jax.packing.loss import Judge, agreement_of, expected_loss
from distill_jax.packing.pack import pack
from distill_jax.packing.search import Candidates
from distill_jax.packing.usage import Usage
from distill_jax.tasks.registry import SINGLE_LABEL, task_named
from packable import UNSEEN
from runtime_alone import command_alone, modules_of_command
from tolerances import assert_close
from untrained_student import write_student

STUDENTS = ("fasttext", "dan", "cnn", "bilstm")
TEXTS = ["w1 w2 w3 w40", "w4 film w59 filming", ""]


def _candidates(run, export):
    model, export = dj.load(run), Export.open(export)
    judge = Judge.of(model, {"validation": export.validation, "test": export.test})
    return Candidates.of(model, Usage.of(model.config, export), judge)


@pytest.mark.parametrize("name", STUDENTS)
def test_a_whole_student_answers_to_rounding_as_its_run(tmp_path, packable, name):
    model = dj.load(packable[name][0])
    dj.save(model, tmp_path / "whole.djx")
    again = dj.load(tmp_path / "whole.djx")
    assert_close(again.logits(TEXTS), model.logits(TEXTS), terms=1_000, why="sums in another order")
    assert again.predict(TEXTS).tolist() == model.predict(TEXTS).tolist()


@pytest.mark.parametrize("name", STUDENTS)
def test_the_largest_level_answers_as_the_student_and_levels_get_smaller(packable, name):
    candidates = _candidates(*packable[name])
    first, last = candidates.at(0), candidates.at(candidates.shrinker.levels - 1)
    for judged in candidates.judge.splits:
        assert agreement_of(candidates.judge.task, judged.before, first.logits[judged.split]) > 0.95
    sizes = [sum(map(len, _streams(candidates.at(level)))) for level in range(0, candidates.shrinker.levels, 4)]
    assert sizes == sorted(sizes, reverse=True)
    assert last.bytes < first.bytes


def _streams(candidate):
    from distill_jax.packed.coding import encoded

    return [stream for name, array in candidate.student.arrays.items() for stream in encoded(name, array)[1].values()]


@pytest.mark.parametrize("name", STUDENTS)
def test_the_levels_of_a_size_and_of_a_loss_are_found(packable, name):
    candidates = _candidates(*packable[name])
    middle = candidates.at(candidates.shrinker.levels // 2)
    assert candidates.largest_within(middle.bytes).bytes <= middle.bytes
    assert candidates.largest_within(10**9).level == 0
    assert candidates.smallest_within(1_000.0).level == candidates.shrinker.levels - 1
    assert candidates.smallest_within(-1_000.0).level == 0
    assert candidates.points == sorted(candidates.points)
    assert candidates.largest_within(10).level == candidates.shrinker.levels - 1
    with pytest.raises(InputError, match="--max-bytes 10: the smallest packed student has"):
        pack(*packable[name], max_bytes=10)


def test_the_linear_student_keeps_what_says_most(packable):
    run, export = packable["fasttext"]
    candidates = _candidates(run, export)
    model = dj.load(run)
    params = model.weights()
    scores = params["embeddings"] @ params["output"]["kernel"]
    scores = scores - scores.mean(axis=1, keepdims=True)
    usage = Usage.of(model.config, Export.open(export)).features
    importance = np.sqrt(usage) * np.abs(scores).max(axis=1)
    importance[model.config.pad_id] = 0
    kept = candidates.shrinker.at(12).arrays["embeddings"].kept
    assert 0 < kept.sum() < len(kept)
    assert importance[kept].min() >= np.sort(importance)[::-1][kept.sum() + 5]
    assert not kept[usage == 0].any()


@pytest.mark.parametrize("name", STUDENTS)
def test_words_that_no_text_has_leave_the_tokenizer_and_are_spelt(packable, name):
    run, export = packable[name]
    candidates = _candidates(run, export)
    assert set(UNSEEN) <= set(json.loads(candidates.at(0).student.tokenizer)["model"]["vocab"])
    student = candidates.at(candidates.shrinker.levels_of_all_words).student
    vocabulary = json.loads(student.tokenizer)["model"]["vocab"]
    assert not set(UNSEEN) & set(vocabulary)
    assert {"f", "##i", "##l", "[UNK]", "w0"} <= set(vocabulary)
    assert np.isfinite(student.predictor().logits(["film filming"])).all()


def test_answers_are_measured_on_texts_as_the_packed_tokenizer_reads_them(packable):
    run, export = packable["fasttext"]
    model, opened = dj.load(run), Export.open(export)
    texts = ["w1 film w2", "w3", "filming w9 w9"]
    rows = opened.test.take(np.arange(3))
    rows = dataclasses.replace(rows, tokens=model.tokenizer.encode(texts))
    judge = Judge.of(model, {"test": rows})
    candidates = Candidates.of(model, Usage.of(model.config, opened), judge)
    packed = candidates.at(0)
    np.testing.assert_array_equal(packed.logits["test"], packed.student.predictor().logits(texts))


def test_levels_of_one_tokenizer_are_read_by_it_once(monkeypatch, packable):
    candidates, read = _candidates(*packable["fasttext"]), []
    monkeypatch.setattr(loss, "vocabulary_ids", lambda tokenizer: read.append(tokenizer) or vocabulary_ids(tokenizer))
    assert len(candidates.points) == candidates.shrinker.levels
    assert sorted(read) == sorted({candidates.whole.tokenizer, candidates.cut_tokenizer})


def test_the_expected_loss_is_what_the_student_s_own_probabilities_say():
    before, after = np.log([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), np.log([[0.3, 0.5, 0.2], [0.1, 0.8, 0.1]])
    assert expected_loss(SINGLE_LABEL, before, after) == pytest.approx(0.1)
    assert expected_loss(dataclasses.replace(SINGLE_LABEL, temperature=0.5), before, after) == pytest.approx(
        0.16 / 0.76
    )
    assert expected_loss(task_named("score"), before, after) is None
    assert agreement_of(SINGLE_LABEL, before, after) == 0.5
    assert agreement_of(task_named("score"), before[:, :1], after[:, :1]) is None


@pytest.mark.parametrize("seed", range(5))
def test_another_answer_is_never_a_gain_whatever_the_teacher_says(packable, seed):
    run, export = packable["fasttext"]
    model, rows = dj.load(run), Export.open(export).train
    judge, random = Judge.of(model, {"train": rows}), np.random.default_rng(seed)
    before, points = judge.splits[0].before, []
    for size in (0, 0.1, 1, 10):
        after = before + size * random.standard_normal(before.shape)
        points.append(judge.points({"train": after}))
        teacher = dataclasses.replace(rows, teacher_logits=10 * after)  # it agrees with what packing makes of them
        judged = dataclasses.replace(judge.splits[0], examples=teacher)
        assert dataclasses.replace(judge, splits=(judged,)).points({"train": after}) == points[-1]
    assert points[0] == 0
    assert points == sorted(points)
    assert points[-1] > 1


def test_a_network_keeps_unseen_words_longest_and_less_long_where_they_are_nearly_all(packable):
    run, export = packable["cnn"]
    model, opened = dj.load(run), Export.open(export)
    seen = Usage.of(model.config, opened)
    shrinker = Candidates.of(model, seen, None).shrinker
    unseen, words = ~shrinker.seen, shrinker.levels_of_all_words
    assert 0 < unseen.sum() < len(unseen) / 2
    assert [shrinker.at(level).arrays[shrinker.table_name].kept[unseen].all() for level in (0, words - 1, words)] == [
        True,
        True,
        False,
    ]
    rare = dataclasses.replace(seen, features=np.where(np.arange(len(unseen)) < 5, 1, 0))
    few = Candidates.of(model, rare, None).shrinker
    assert 0 < few.levels_of_all_words < words
    kept = [few.at(level).arrays[few.table_name].kept for level in (0, few.levels_of_all_words)]
    assert kept[0].all()
    assert kept[1].tolist() == few.seen.tolist()


@pytest.mark.parametrize(("task", "unlabelled"), [("score", [np.nan]), ("multi-label", [[-1] * 3])])
def test_without_labels_the_student_s_own_answers_are_the_truth(tmp_path, packable, task, unlabelled):
    model, random = dj.load(write_student(tmp_path / "run", task)), np.random.default_rng(0)
    rows = Export.open(packable["fasttext"][1]).validation.take(np.arange(100))
    rows = dataclasses.replace(rows, labels=np.repeat(unlabelled, len(rows), axis=0))
    judge = Judge.of(model, {"validation": rows})
    before = judge.splits[0].before
    noise = [size * random.standard_normal(before.shape) for size in (0, 1, 30)]
    points = [judge.points({"validation": before + each}) for each in noise]
    assert points[0] == pytest.approx(0)
    assert 0 < points[1] < points[2]
    assert points[2] > 20
    if task == "score":
        assert judge.points({"validation": np.zeros_like(before)}) == 100


def test_where_no_size_loses_so_little_that_is_said(capsys, tmp_path, monkeypatch, packable):
    run, export = packable["fasttext"]
    monkeypatch.setattr(Judge, "points", lambda _self, _logits: 3.0)
    status, _, error = call(capsys, main, run, "--export", export, "--output", tmp_path / "a.djx")
    assert (status, error.count("\n")) == (0, 1)
    assert "no size loses as little as 0.3 points" in error
    assert "loses 3.00" in error


def test_scores_and_facts_stand_in_the_file(tmp_path, packable):
    run, export = packable["cnn"]
    packed = pack(run, export, licence="Apache-2.0")
    packed.student.write(tmp_path / "student.djx")
    facts = read_packed(tmp_path / "student.djx").facts
    assert facts["licence"] == "Apache-2.0"
    assert facts["run"]["name"] == "cnn"
    assert len(facts["run"]["sha256"]) == 64
    test, model = Export.open(export).test, dj.load(tmp_path / "student.djx")
    answers = model.network.start(test.tokens, 256)().argmax(axis=1)
    accuracy = facts["scores"]["test"]["metrics"]["accuracy"]
    assert accuracy["after"] == pytest.approx((answers == test.labels).mean())
    low, high = accuracy["change_interval"]
    assert low <= accuracy["change"] <= high
    assert sum(facts["texts"]["label_shares"]) == pytest.approx(1)
    assert facts["texts"]["unknown_share"] == 0
    logits, temperature = (
        model.network.start(test.tokens, 256)(),
        read_packed(tmp_path / "student.djx").decision["temperature"],
    )
    before, after = (reliability_curve(logits / each, test.labels) for each in (1, temperature))
    found = facts["calibration_errors"]["test"]
    assert found == pytest.approx([before.expected_calibration_error, after.expected_calibration_error])
    assert (tmp_path / "student.djx").stat().st_size == packed.bytes


def test_the_command_says_what_it_costs_and_writes(capsys, tmp_path, packable):
    run, export = packable["fasttext"]
    status, output, error = call(
        capsys, main, run, "--export", export, "--output", tmp_path / "a.djx", "--max-loss", "2"
    )
    assert (status, error) == (0, "")
    for words in (
        "validation: 160 rows",
        "test: 200 rows",
        "Accuracy",
        "Macro F1",
        "the same answer as before",
        "wrote",
    ):
        assert words in output
    assert dj.load(tmp_path / "a.djx").predict(["w1 w4"]).shape == (1,)
    before = (tmp_path / "a.djx").read_bytes()
    status, output, error = call(
        capsys, main, run, "--export", export, "--output", tmp_path / "a.djx", "--max-loss", "2"
    )
    assert status == 0
    assert (tmp_path / "a.djx").read_bytes() == before


def test_a_clear_loss_is_not_written_without_force(capsys, tmp_path, packable):
    run, export = packable["fasttext"]
    smallest = pack(run, export, max_loss=1_000).bytes
    options = (run, "--export", export, "--output", tmp_path / "a.djx", "--max-bytes", smallest)
    status, _, error = call(capsys, main, *options)
    assert status == 2
    assert "not written: Accuracy on the validation rows falls by at least" in error
    assert not (tmp_path / "a.djx").exists()
    assert call(capsys, main, *options, "--force")[0] == 0
    assert (tmp_path / "a.djx").exists()


def test_without_its_export_nothing_is_packed_unless_forced(capsys, tmp_path, packable):
    run, _ = packable["fasttext"]
    model = dj.load(run)
    about = (model.label_names, model.config, model.weights(), model.tokenizer, model.max_length)
    dj.save(dj.Predictor.of(*about), tmp_path / "saved")
    status, _, error = call(capsys, main, tmp_path / "saved", "--output", tmp_path / "a.djx")
    assert status == 2
    assert "is not there, so that nothing says what may go, nor what it costs; name it (--export)" in error
    status, _, error = call(capsys, main, tmp_path / "saved", "--output", tmp_path / "a.djx", "--force")
    assert status == 0
    assert "nothing is left out, and nothing is measured" in error
    assert dj.load(tmp_path / "a.djx").predict(TEXTS).tolist() == dj.load(run).predict(TEXTS).tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "a.onnx"], "--output a.onnx: expected a name that ends in .djx"),
        (["--output", "other.djx"], "something lies there that is no packed file; name another"),
        (["--max-loss", "-1"], "--max-loss: expected a number at least 0"),
        (["--export", "elsewhere"], "elsewhere"),
    ],
)
def test_bad_arguments_are_refused(capsys, tmp_path, monkeypatch, packable, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.djx").write_bytes(b"a file of another program")
    status, _, error = call(capsys, main, packable["fasttext"][0], *arguments)
    assert status == 2
    assert message in error
    assert (tmp_path / "other.djx").read_bytes() == b"a file of another program"


def test_a_pipe_is_no_packed_file_and_is_not_waited_for(capsys, tmp_path, packable):
    os.mkfifo(tmp_path / "a.djx")
    status, _, error = call(capsys, main, packable["fasttext"][0], "--output", tmp_path / "a.djx")
    assert status == 2
    assert "something lies there that is no packed file" in error
    assert (tmp_path / "a.djx").is_fifo()


def test_another_s_export_is_refused(tmp_path, packable, tiny_export):
    with pytest.raises(InputError, match="was trained on another export"):
        pack(packable["cnn"][0], tiny_export)


def test_a_packed_student_is_not_packed_or_saved_as_a_run(tmp_path, packable):
    run, export = packable["cnn"]
    pack(run, export).student.write(tmp_path / "a.djx")
    with pytest.raises(InputError, match="it was packed, and its weights are rounded; name the run"):
        dj.save(dj.load(tmp_path / "a.djx"), tmp_path / "run")
    with pytest.raises(InputError, match="it was packed"):
        whole_student(dj.load(tmp_path / "a.djx"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.djx"]


def test_a_packed_file_predicts_on_the_command_line_without_jax(tmp_path, packable):
    run, export = packable["cnn"]
    pack(run, export).student.write(tmp_path / "a.djx")
    arguments = ("--model", tmp_path / "a.djx")
    imported = modules_of_command("distill_jax.predict", *arguments, stdin="w1 w2")
    assert not imported & {"jax", "pandas", "scipy", "sklearn"}
    done = command_alone("distill_jax.predict", *arguments, stdin="w1 w2\nw4 w5")
    assert (done.returncode, done.stderr) == (0, "")
    expected = dj.load(tmp_path / "a.djx").predict(["w1 w2", "w4 w5"]).tolist()
    assert [json.loads(line)["label"] for line in done.stdout.splitlines()] == expected


def test_what_is_said_of_a_student_has_its_room_within_the_size(tmp_path, packable):
    run, export = packable["fasttext"]
    bare = _candidates(run, export).at(10).bytes
    packed = pack(run, export, max_bytes=bare + 4_500, licence="x" * 2_000)
    packed.student.write(tmp_path / "a.djx")
    assert (tmp_path / "a.djx").stat().st_size == packed.bytes <= bare + 4_500


def test_training_rows_choose_a_size_and_neither_a_temperature_nor_a_refusal(capsys, tmp_path, tiny_export, tiny_runs):
    packed = pack(tiny_runs["cnn"], tiny_export)
    assert [loss.split for loss in packed.losses] == ["train", "test"]
    assert packed.student.decision == {}
    lossy = dataclasses.replace(packed.losses[0].metrics[0], change=Difference(Interval(-0.5, -0.6, -0.4), 0.0))
    known_by_heart = dataclasses.replace(packed.losses[0], metrics=(lossy,))
    assert dataclasses.replace(packed, losses=(known_by_heart, packed.losses[1])).too_lossy(0.3) is packed.too_lossy(
        0.3
    )
    held_out = dataclasses.replace(known_by_heart, split="test")
    assert dataclasses.replace(packed, losses=(held_out,)).too_lossy(0.3) is held_out
    command = (tiny_runs["cnn"], "--export", tiny_export, "--output", tmp_path / "a.djx", "--max-loss", "50")
    status, _, error = call(capsys, main, *command)
    assert status == 0
    assert "the export has no validation split: training rows" in error
