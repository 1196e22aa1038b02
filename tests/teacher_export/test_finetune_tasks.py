"""Encoders fine-tuned for scores and for several labels: what they learn, and the unit that their logits have."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from command_lines import call, refusal
from distill_jax.data.examples import read_examples
from distill_jax.export.format import read_manifest
from distill_jax.tasks.registry import task_named
from finetune_helpers import CPU, Killed, load, settings_of
from teacher_export.command_line import main
from teacher_export.data.dataset import Split
from teacher_export.teacher.finetune import finetune
from teacher_export.teacher.finetune_plan import HELD_OUT, VALIDATION, held_out
from teacher_export.teacher.finetune_run import FinetuneRun
from teacher_export.teacher.finetune_state import read_record, state_file
from teacher_export.teacher.finetune_tasks import Outcome, finetune_task
from teacher_export.teacher.head import last_linear, rescale, task_of_head
from teacher_export.teacher.loading import load_teacher
from teacher_export.teacher.logits import predict_logits
from teacher_export.teacher.source import folder_source
from teacher_export.teacher.tokens import encode
from teacher_families import FAMILIES, save_family
from tiny_teacher import reviews
from tolerances import assert_close

TASKS = ("score", "multi-label")
NAMES = {"score": ("quality",), "multi-label": ("bad", "good", "extreme")}
MEAN, DEVIATION = 700.0, 30.0


def labels_of(task, classes):
    """Return labels that follow from the words of a review of so many stars."""
    if task == "score":
        return (MEAN + DEVIATION * (classes - 2)).astype(np.float32)
    return np.stack([classes < 2, classes > 2, np.abs(classes - 2) == 2], axis=1).astype(np.int8)


def split_of(task, rows=160, seed=0):
    texts, classes = reviews(rows, seed)
    return Split(np.arange(rows), texts, labels_of(task, classes))


def train(bare, folder, task, split=None, validation=None, **changes):
    settings = settings_of(NAMES[task], **{"task": task, "epochs": 16, "chosen_by": HELD_OUT, **changes})
    settings = {name: value for name, value in settings.items() if value is not None}
    split = split_of(task) if split is None else split
    finetune(load(bare, NAMES[task], task), split, settings, folder, CPU, None, validation)
    return (folder / "model.safetensors").read_bytes()


def logits_of(folder, task, texts):
    """Return what transformers gives for texts, each alone."""
    teacher = load(folder, NAMES[task], task)
    found = []
    for text in texts:
        encoded = teacher.saved_tokenizer(text, truncation=True, max_length=32, return_tensors="pt")
        with torch.inference_mode():
            found.append(teacher.model(encoded["input_ids"], encoded["attention_mask"]).logits[0].numpy())
    return np.stack(found)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("chosen_by", [HELD_OUT, VALIDATION, None])
def test_what_is_saved_answers_new_texts_in_the_data_s_own_unit(bare, tmp_path, capsys, task, chosen_by):
    validation = split_of(task, 80, seed=9)
    train(bare, tmp_path / "out", task, None, validation, chosen_by=chosen_by)
    teacher = load(tmp_path / "out", NAMES[task], task)
    assert teacher.has_trained_head
    assert teacher.class_names == NAMES[task]
    assert task_of_head(teacher.model.config) == task
    unseen, means = split_of(task, 60, seed=5), task_named(task)
    logits = logits_of(tmp_path / "out", task, unseen.texts)
    error, correlation = means.scores(unseen.labels, means.answers(logits))
    if task == "score":
        assert error < DEVIATION  # always answering the mean: 42
        assert correlation > 0.8
    else:
        assert min(error, correlation) > 0.9  # the two F1
    captured = capsys.readouterr()
    assert "warning" not in captured.err
    assert ("is kept" in captured.out) == (chosen_by is not None)


@pytest.mark.parametrize("task", TASKS)
def test_the_epoch_of_the_task_s_own_score_is_kept_and_its_scores_are_those_said(bare, tmp_path, capsys, task):
    validation = split_of(task, 40, seed=9)
    train(bare, tmp_path / "out", task, None, validation, chosen_by=VALIDATION, learning_rate=7e-3)
    said = capsys.readouterr().out
    title = {"score": "Spearman", "multi-label": "micro F1"}[task]
    scores = [float(score) for score in re.findall(rf"epoch \d+ of at most 16: .*{title} ([-\d.]+)", said)]
    kept = int(re.search(rf"epoch (\d+) is kept: by its {title} and, ", said)[1])
    assert scores[kept - 1] > min(scores)
    means = task_named(task)
    found = means.scores(validation.labels, means.answers(logits_of(tmp_path / "out", task, validation.texts)))
    line = re.search(rf"epoch {kept} of at most 16: (.*)", said)[1]
    for name, score in zip(means.history_titles, found, strict=True):
        assert f"{name} {score:.3f}" in line


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("steps", [23, 50])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(bare, tmp_path, monkeypatch, task, steps):
    whole = train(bare, tmp_path / "whole", task, epochs=4)
    done = []
    plain = FinetuneRun.train_step

    def counted(self, rows):
        done.append(rows)
        if len(done) > steps:
            raise Killed
        return plain(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(FinetuneRun, "train_step", counted)
        with pytest.raises(Killed):
            train(bare, tmp_path / "stopped", task, epochs=4)
    assert state_file(tmp_path / "stopped").exists()
    assert train(bare, tmp_path / "stopped", task, epochs=4) == whole


@pytest.mark.parametrize("factor", [0.01, 1000.0])
def test_the_scores_unit_is_the_teacher_s_and_changes_nothing_else(bare, tmp_path, factor):
    split = split_of("score")
    train(bare, tmp_path / "plain", "score", split, epochs=4)
    other = dataclasses.replace(split, labels=split.labels * np.float32(factor))
    train(bare, tmp_path / "other", "score", other, epochs=4)
    texts = split.texts[:20]
    plain, scaled = (logits_of(tmp_path / name, "score", texts) for name in ("plain", "other"))
    # Labels of another unit round otherwise, which a training enlarges; a mean left out would be twenty deviations off.
    np.testing.assert_allclose(scaled, plain * factor, atol=0.05 * DEVIATION * factor)


def unlabel(labels, rows):
    marked = labels.copy()
    marked[rows] = np.nan if labels.dtype.kind == "f" else -1
    return marked


@pytest.mark.parametrize("task", TASKS)
def test_rows_without_a_label_are_not_trained_on(bare, tmp_path, task):
    split = split_of(task, 60)
    marked = dataclasses.replace(split, labels=unlabel(split.labels, slice(40, 60)))
    first = train(bare, tmp_path / "marked", task, marked, epochs=2)
    assert first == train(bare, tmp_path / "cut", task, split.take(np.arange(40)), epochs=2)
    assert first != train(bare, tmp_path / "whole", task, split, epochs=2)


@pytest.mark.parametrize("task", TASKS)
def test_a_row_weighs_what_its_column_says(bare, tmp_path, task):
    split = split_of(task, 60)
    even = dataclasses.replace(split, weights=np.full(60, 7, np.float32))
    plain, same = (load_file_of(bare, tmp_path / name, task, rows) for name, rows in (("a", split), ("b", even)))
    assert all(torch.allclose(plain[name], same[name], atol=1e-2) for name in plain)
    heavy = dataclasses.replace(split, weights=np.where(np.arange(60) < 5, 50, 0.1).astype(np.float32))
    other = load_file_of(bare, tmp_path / "c", task, heavy)
    assert not all(torch.allclose(plain[name], other[name], atol=1e-2) for name in plain)


def load_file_of(bare, folder, task, split):
    train(bare, folder, task, split, chosen_by=None, epochs=2)
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_s_logits_take_another_unit_by_its_last_layer(family, tmp_path):
    model, tokenizer = save_family(family, tmp_path)
    model.eval()
    inputs = {name: tokenizer("good film", return_tensors="pt")[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        before = model(**inputs).logits
    has_bias = last_linear(model).bias is not None
    rescale(model, 3.0, 10.0)
    with torch.inference_mode():
        after = model(**inputs).logits
    assert_close(after, before * 3 + 10 * has_bias, terms=400, why="the last layer's products", scale=30)


def load_bare(folder, name):
    """Return a family's model with a new head of one score."""
    from transformers import AutoModel, AutoTokenizer

    save_family(next(family for family in FAMILIES if family.name == name), folder / "headed")
    AutoModel.from_pretrained(folder / "headed").save_pretrained(folder / "bare")
    AutoTokenizer.from_pretrained(folder / "headed").save_pretrained(folder / "bare")
    return load_teacher(folder_source(folder / "bare", "tiny"), NAMES["score"], 24, seed=3, task="score")


def test_a_head_without_a_bias_learns_scores_that_lie_far_from_0(tmp_path, capsys):
    teacher = load_bare(tmp_path, "GPT-2")
    assert last_linear(teacher.model).bias is None
    settings = settings_of(NAMES["score"], task="score", epochs=16, chosen_by=HELD_OUT, max_length=24)
    finetune(teacher, split_of("score"), settings, tmp_path / "out", CPU)
    said = capsys.readouterr().out
    assert min(float(error) for error in re.findall(r"RMSE ([\d.]+)", said)) < MEAN / 10  # untrained: about 700


def test_a_score_far_from_0_is_not_rounded_to_bfloat16_s_numbers_of_its_size(tmp_path):
    teacher = load_bare(tmp_path, "BERT")
    rescale(teacher.model, 1.0, MEAN)
    tokens, pass_of = (
        encode(teacher.tokenizer, reviews(40)[0]),
        {"pad_id": teacher.fill_id, "segments": teacher.segments},
    )
    found = {
        precision: predict_logits(
            teacher.model, tokens, precision=precision, batch_size=8, max_length=24, **pass_of
        ).ravel()
        for precision in ("float32", "bfloat16")
    }
    assert found["float32"].std() > 0.01
    assert (
        np.abs(found["bfloat16"] - found["float32"]).max() < 0.2
    )  # between 512 and 1024 bfloat16 has each fourth number


def test_rows_are_held_out_alike_of_every_label_that_can_spare_one():
    objective = finetune_task({"task": "multi-label"})
    labels = np.zeros((330, 3), np.int8)
    labels[:300, 0], labels[290:310, 1], labels[300:304, 2] = 1, 1, 1
    strata = objective.strata(labels)
    assert strata[[0, 295, 302, 320]].tolist() == [0, 1, 2, 3]
    chosen = held_out(strata, 0)
    assert chosen[:290].sum() == 29
    assert chosen[300:304].sum() == 0  # four rows: all are trained on
    assert labels[chosen][:, 1].sum() >= 1
    scores = finetune_task({"task": "score"})
    assert held_out(scores.strata(np.linspace(0, 1, 500, dtype=np.float32)), 0).sum() == 50


def test_a_fine_tuning_that_learnt_nothing_says_so():
    scores = np.arange(40, dtype=np.float32)
    of_scores = finetune_task({"task": "score"}).fault
    outcome = Outcome(scores, scores + 1, ("quality",), scores, HELD_OUT)
    assert of_scores(outcome) is None
    for answers in (np.full(40, 19.5, np.float32), scores[::-1]):
        said = of_scores(dataclasses.replace(outcome, answers=answers))
        assert f"on the {HELD_OUT} the teacher learnt nothing; its RMSE there is" in said
    labels = np.array([[1, 0], [0, 1], [0, 0]] * 9, np.int8)
    of_labels = finetune_task({"task": "multi-label"}).fault
    outcome = Outcome(labels, labels, ("a", "b"), labels)
    assert of_labels(outcome) is None
    said = of_labels(dataclasses.replace(outcome, answers=labels * np.array([1, 0], np.int8)))
    assert "the last epoch never named 1 of 2 labels: 'b' (9 training rows)" in said


def write_table(folder, task):
    texts, classes = reviews(120)
    labels = labels_of(task, classes).tolist()
    if task == "multi-label":
        labels = [[name for name, has in zip(NAMES[task], row, strict=True) if has] for row in labels]
    rows = [json.dumps({"text": text, "quality": label}) for text, label in zip(texts, labels, strict=True)]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    words = ["--dataset", "table", "--data", folder / "rows.jsonl", "--text-column", "text", "--task", task]
    words += ["--label-column", "quality", "--max-length", 32, "--device", "cpu", "--batch-size", 8]
    return [*words, "--finetune-learning-rate", 0.005, "--finetune-output", folder / "tuned"]


@pytest.mark.parametrize("task", TASKS)
def test_a_command_fine_tunes_exports_and_takes_the_teacher_again(bare, tmp_path, capsys, task):
    command = [*write_table(tmp_path, task), "--teacher", bare, "--precision", "float32"]
    status, _, error = call(capsys, main, *command, "--output", tmp_path / "first")
    assert status == 0, error
    manifest = read_manifest(tmp_path / "first")
    assert manifest.config["finetuning"] == read_record(tmp_path / "tuned")
    assert manifest.config["finetuning"]["task"] == task
    better = {"score": "spearman", "multi-label": "micro_f1"}[task]
    assert manifest.teacher["splits"]["test"][better] > 0.8
    status, said, _ = call(capsys, main, *command, "--output", tmp_path / "again")
    assert status == 0
    assert "is reused" in said
    logits = [read_examples(tmp_path / name, read_manifest(tmp_path / name), "test") for name in ("first", "again")]
    np.testing.assert_array_equal(logits[0].teacher_logits, logits[1].teacher_logits)
    added = tmp_path / "tuned/adapter_config.json"
    added.write_text("{}")
    assert f"{added}: expected what the fine-tuning wrote" in refusal(
        capsys, main, *command, "--output", tmp_path / "x"
    )
    added.unlink()
    weights = bytearray((tmp_path / "tuned/model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "tuned/model.safetensors").write_bytes(weights)
    assert "expected what the fine-tuning wrote, found another file" in refusal(
        capsys, main, *command, "--output", tmp_path / "changed"
    )
    assert not (tmp_path / "changed").exists()
    tuned = [*write_table(tmp_path, task), "--teacher", tmp_path / "tuned", "--output", tmp_path / "third"]
    assert "--finetune-learning-rate goes with a teacher without a trained head" in refusal(capsys, main, *tuned)


@pytest.mark.parametrize("task", TASKS)
def test_weights_of_classes_are_refused_where_rows_have_none(bare, tmp_path, capsys, task):
    command = [*write_table(tmp_path, task), "--teacher", bare, "--output", tmp_path / "out"]
    message = refusal(capsys, main, *command, "--class-weights", "balanced")
    assert f"--class-weights goes with --task single-label, got --task {task}" in message
