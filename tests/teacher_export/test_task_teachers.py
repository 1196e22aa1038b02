"""Transformers with heads of every task: each is taken for its own task alone, and its logits stay as they are."""

import json

import numpy as np
import pytest
import torch

from command_lines import call, refusal
from distill_jax.data.examples import read_examples
from distill_jax.export.format import read_manifest
from teacher_export.command_line import main
from tiny_teacher import make_teacher
from tolerances import assert_close

HEADS = {
    "score": {"label_names": ("LABEL_0",), "problem_type": "regression"},
    "multi-label": {"label_names": ("a", "b", "c"), "problem_type": "multi_label_classification"},
    "single-label": {"label_names": ("a", "b", "c")},
}
COLUMNS = {"score": "score", "multi-label": "tags", "single-label": "class"}


def _command(folder, teacher, task, name="export"):
    rng = np.random.default_rng(0)
    rows = []
    for index in range(40):
        words = rng.choice(["good", "awful", "film", "phone", "love"], size=rng.integers(1, 12)).tolist()
        tags = [tag for tag, word in (("a", "good"), ("b", "awful"), ("c", "love")) if word in words]
        label = {"tags": tags, "class": "abc"[index % 3], "score": float(words.count("good"))}
        rows.append({"text": " ".join(words), **label})
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--dataset", "table", "--data", data, "--text-column", "text", "--label-column", COLUMNS[task]]
    words += ["--task", task, "--teacher", teacher, "--max-length", 32, "--output", folder / name]
    return [*words, "--device", "cpu", "--precision", "float32"]


@pytest.mark.parametrize("task", [*HEADS])
def test_a_teacher_s_logits_are_exported_as_it_computes_them(tmp_path, capsys, task):
    model = make_teacher(tmp_path / "teacher", **HEADS[task])
    status, _, error = call(capsys, main, *_command(tmp_path, tmp_path / "teacher", task))
    assert status == 0, error
    manifest = read_manifest(tmp_path / "export")
    assert manifest.task == task
    train = read_examples(tmp_path / "export", manifest, "train")
    for row in range(3):
        ids = torch.tensor(train.tokens.take(np.array([row])).ids.astype(np.int64))[None]
        with torch.inference_mode():
            expected = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].numpy()
        assert_close(train.teacher_logits[row], expected, terms=2000, why="a pass of a tiny model", scale=10)
    metrics = {metric.name for metric in manifest.labelling.metrics}
    assert set(manifest.teacher["splits"]["test"]) == metrics


@pytest.mark.parametrize(
    ("head", "task"), [(head, task) for head in HEADS for task in HEADS if head != task], ids=lambda name: name
)
def test_a_head_of_another_task_is_refused_and_its_own_task_named(tmp_path, capsys, head, task):
    make_teacher(tmp_path / "teacher", **HEADS[head])
    message = refusal(capsys, main, *_command(tmp_path, tmp_path / "teacher", task))
    assert f"--task {head}, which is its own" in message
    assert not (tmp_path / "export").exists()
