import dataclasses
import json

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError, Interrupted
from finetune_helpers import CPU, Killed, load, settings_of
from teacher_export.teacher import finetune as module
from teacher_export.teacher.finetune import finetune
from teacher_export.teacher.finetune_batches import length_batches
from teacher_export.teacher.finetune_optimizer import make_optimizer, rate_factor
from teacher_export.teacher.finetune_state import (
    RECORD,
    read_record,
    read_state,
    require_same_settings,
    state_file,
    write_state,
)
from teacher_export.teacher.finetune_tasks import Outcome, finetune_task
from teacher_export.teacher.source import folder_source
from tiny_teacher import LABEL_NAMES, make_dataset
from tolerances import assert_close

SETTINGS = settings_of(epochs=3)


def train(bare, folder, rows=90, **changes):
    settings = {**SETTINGS, **changes}
    finetune(load(bare), make_dataset(rows).splits["train"], settings, folder, CPU)
    return (folder / "model.safetensors").read_bytes()


def stop_after(monkeypatch, steps, error):
    """Make the process end in step number ``steps``."""
    done = []
    plain = module.FinetuneRun.train_step

    def counted(self, rows):
        done.append(rows)
        if len(done) > steps:
            raise error
        return plain(self, rows)

    monkeypatch.setattr(module.FinetuneRun, "train_step", counted)


def test_it_learns_saves_and_is_determined_by_the_seed(bare, tmp_path):
    first, again = (train(bare, tmp_path / name, epochs=1) for name in "bc")
    assert first == again
    assert first != train(bare, tmp_path / "d", epochs=1, seed=4)
    long = {"epochs": 20, "learning_rate": 1e-2}
    train(bare, tmp_path / "a", **long)
    teacher = load(tmp_path / "a")
    assert teacher.has_trained_head
    assert teacher.class_names == LABEL_NAMES
    dataset = make_dataset(90)
    right = {}
    for name, model in {"trained": teacher.model, "fresh": load(bare).model}.items():
        encoded = teacher.saved_tokenizer(dataset.splits["train"].texts, padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits = model(encoded["input_ids"], encoded["attention_mask"]).logits
        right[name] = (logits.argmax(1).numpy() == dataset.splits["train"].labels).mean()
    assert right["trained"] > 0.7
    assert right["fresh"] < 0.5
    assert read_record(tmp_path / "a") == {**SETTINGS, **long}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


def test_only_the_given_split_and_its_labelled_rows_are_trained_on(bare, tmp_path):
    split = make_dataset(40).splits["train"]
    marked = dataclasses.replace(split, labels=np.where(np.arange(len(split.labels)) < 20, split.labels, -1))
    cut = dataclasses.replace(split, texts=split.texts[:20], labels=split.labels[:20], example_ids=np.arange(20))
    for name, given in {"marked": marked, "cut": cut}.items():
        finetune(load(bare), given, SETTINGS, tmp_path / name, CPU)
    assert (tmp_path / "marked/model.safetensors").read_bytes() == (tmp_path / "cut/model.safetensors").read_bytes()


@pytest.mark.parametrize("steps", [4, 9, 20])
def test_a_killed_run_goes_on_and_ends_with_the_same_weights(bare, tmp_path, monkeypatch, steps):
    whole = train(bare, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, steps, Killed())
        with pytest.raises(Killed):
            train(bare, tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    finished = steps // 9  # 67 rows are 9 batches of 8
    assert state_file(tmp_path / "stopped").exists() == (finished > 0)
    if finished:
        assert read_state(tmp_path / "stopped", SETTINGS)["epoch"] == finished
    assert train(bare, tmp_path / "stopped") == whole
    assert not state_file(tmp_path / "stopped").exists()


@pytest.fixture
def begun(bare, tmp_path, monkeypatch):
    """The file of a fine-tuning that was killed in its second epoch."""
    with monkeypatch.context() as patch:
        stop_after(patch, 10, Killed())
        with pytest.raises(Killed):
            train(bare, tmp_path / "out")
    return state_file(tmp_path / "out")


CHANGES = {
    "other weights": lambda state: {**state, "model": {"weight": torch.zeros(3)}},
    "no optimizer": lambda state: {name: value for name, value in state.items() if name != "optimizer"},
    "epoch of a word": lambda state: {**state, "epoch": "first"},
    "settings of a list": lambda state: {**state, "settings": "[1]"},
    "a list": list,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_signed", [False, True])
def test_a_state_that_this_version_has_not_written_is_refused_in_one_sentence(bare, begun, change, is_signed):
    state = torch.load(begun, weights_only=True)
    del state["sha256"]
    found = CHANGES[change](state)
    if is_signed and isinstance(found, dict):
        settings = json.loads(found.pop("settings"))
        write_state(begun.with_name("out"), settings, found)
    else:
        torch.save(found, begun)
    with pytest.raises(InputError, match=r"out\.resume\.pt: (expected the state of a|it holds another)"):
        train(bare, begun.with_name("out"))


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_state_that_differs_by_a_bit_is_refused_or_is_what_was_written(begun):
    whole = begun.read_bytes()
    expected = read_state(begun.with_name("out"), SETTINGS)
    refused = 0
    for place in np.random.default_rng(0).integers(0, 8 * len(whole), 150).tolist():
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        begun.write_bytes(content)
        try:
            found = read_state(begun.with_name("out"), SETTINGS)
        except InputError:
            refused += 1
            continue
        assert same(found, expected)
    assert refused > 100


def test_ctrl_c_says_what_is_kept(bare, tmp_path, monkeypatch):
    for steps, kept in (
        (4, "nothing is kept yet; the same command starts again$"),
        (10, r"epoch 1 is kept in .*resume\.pt; the same command goes on from there$"),
    ):
        with monkeypatch.context() as patch:
            stop_after(patch, steps, KeyboardInterrupt())
            with pytest.raises(Interrupted, match=f"^interrupted while fine-tuning: {kept}"):
                train(bare, tmp_path / str(steps))


def test_an_epoch_whose_state_was_not_written_is_not_said_to_be_kept(bare, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_state", interrupt)
    with pytest.raises(Interrupted, match="nothing is kept yet"):
        train(bare, tmp_path / "out")


def test_a_loss_that_is_not_finite_stops_it_by_epoch_step_and_rate(bare, tmp_path):
    teacher = load(bare)
    with torch.no_grad():
        teacher.model.distilbert.embeddings.word_embeddings.weight[teacher.tokenizer.token_to_id("love")] = float("nan")
    wanted = r"the loss is nan at epoch 0, step \d+, learning rate 0\.00\d+; lower --finetune-learning-rate"
    with pytest.raises(InputError, match=wanted):
        finetune(teacher, make_dataset(40).splits["train"], SETTINGS, tmp_path / "out", CPU)
    assert not (tmp_path / "out").exists()


def test_classes_that_are_never_predicted_are_named(bare, tmp_path, capsys):
    train(bare, tmp_path / "learnt")
    assert "warning" not in capsys.readouterr().err
    split = make_dataset(60).splits["train"]
    rare = dataclasses.replace(split, labels=np.where(np.arange(len(split)) < 2, 1, 0).astype(np.int32))
    finetune(load(bare), rare, {**SETTINGS, "learning_rate": 1e-3}, tmp_path / "rare", CPU)
    said = capsys.readouterr().err
    assert f"never named 1 of {len(LABEL_NAMES)} classes: {LABEL_NAMES[1]!r} (2 training rows)" in said
    assert "--finetune-epochs" in said


def test_a_fine_tuning_that_learnt_nothing_says_so():
    labels = np.arange(40) % 2

    def fault(answers, names=("a", "b")):
        return finetune_task({}).fault(Outcome(labels, answers, names, labels))

    assert fault(labels) is None
    assert "learnt nothing; its accuracy there is 0.500" in fault(np.arange(40) // 2 % 2)
    assert "never named 1 of 2 classes: 'b' (20 training rows)" in fault(labels * 0)
    assert fault(labels, ("a", "b", "of no row")) is None


def test_no_labelled_row_is_refused(bare, tmp_path):
    split = make_dataset(40).splits["train"]
    with pytest.raises(InputError, match="expected labelled rows"):
        finetune(load(bare), dataclasses.replace(split, labels=split.labels * 0 - 1), SETTINGS, tmp_path / "o", CPU)


def test_a_begun_run_with_other_settings_is_refused(bare, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 10, Killed())
        with pytest.raises(Killed):
            train(bare, tmp_path / "out")
    with pytest.raises(InputError, match=r"its --finetune-epochs is 3, this one's is 4; name another folder with"):
        train(bare, tmp_path / "out", epochs=4)
    state_file(tmp_path / "out").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"expected the state of a begun fine-tuning \(delete it to begin anew\)"):
        train(bare, tmp_path / "out")


def test_a_full_disk_leaves_no_broken_teacher(bare, tmp_path, monkeypatch):
    import errno
    import os

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train(bare, tmp_path / "out", epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_refused(tmp_path):
    assert read_record(tmp_path) is None
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"expected it empty or with a finetuning\.json, found other files"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", "other", r"its training data \(fingerprint\) is 'other', this one's is 'd'"),
        ("teacher", "other", r"its base teacher \(fingerprint\) is 'other'"),
        ("learning_rate", 1.0, "its --finetune-learning-rate is 1.0, this one's is 0.005"),
        ("seed", 9, "its --seed is 9, this one's is 3"),
    ],
)
def test_another_fine_tuning_is_refused_by_field_and_values(field, value, message):
    require_same_settings("folder x", SETTINGS, SETTINGS)
    with pytest.raises(InputError, match=message):
        require_same_settings("folder x", {**SETTINGS, field: value}, SETTINGS)


def test_the_saved_folder_is_a_teacher_whatever_its_path(bare, tmp_path):
    train(bare, tmp_path / "a", epochs=1)
    train(bare, tmp_path / "deep/b", epochs=1)
    assert folder_source(tmp_path / "a", "x").fingerprint == folder_source(tmp_path / "deep/b", "y").fingerprint
    assert (tmp_path / "a" / RECORD).is_file()
    assert len({path.stat().st_mode for path in (tmp_path / "a").iterdir()}) == 1  # readable by the same people


def test_batches_hold_every_row_once_and_rows_of_like_length():
    lengths = np.random.default_rng(0).integers(3, 100, 1003)
    batches = list(length_batches(lengths, 8, [0, 0]))
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert len(batches) == 126
    assert np.mean([np.ptp(lengths[rows]) for rows in batches]) < 5
    other = list(length_batches(lengths, 8, [0, 1]))
    assert not all(np.array_equal(first, second) for first, second in zip(batches, other, strict=True))
    firsts = [lengths[rows].mean() for rows in batches]
    assert np.abs(np.corrcoef(firsts, np.arange(126))[0, 1]) < 0.3  # not from short to long


def test_the_rate_rises_and_falls_in_lines():
    factors = [rate_factor(step, 100) for step in range(101)]
    assert factors[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert factors[10] == 1.0
    assert np.diff(factors[10:]) == pytest.approx(-1 / 90)
    assert factors[100] == 0.0


def test_decay_shrinks_matrices_without_a_gradient_and_leaves_biases_alone():
    layer = torch.nn.Linear(3, 3)
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}
    optimizer = make_optimizer(layer, 0.5)
    for parameter in layer.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.equal(layer.bias, before["bias"])
    assert_close(layer.weight.detach(), before["weight"] * (1 - 0.5 * 0.01), terms=1, why="a product")
