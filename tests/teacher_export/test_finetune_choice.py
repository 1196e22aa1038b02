"""How long a fine-tuning takes and which epoch is kept, by rows that it is not trained on."""

import json
import re

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from distill_jax.metrics.classification import macro_f1
from distill_jax.tasks.score import Score
from distill_jax.tasks.single_label import SingleLabel
from export_helpers import configure
from finetune_helpers import CPU, Killed, load, settings_of
from teacher_export import export
from teacher_export.teacher import finetune as module
from teacher_export.teacher.classes import finetuning_settings
from teacher_export.teacher.finetune import finetune
from teacher_export.teacher.finetune_plan import (
    HELD_OUT,
    KEPT,
    VALIDATION,
    held_out,
    most_epochs,
    training_and_judging,
)
from teacher_export.teacher.finetune_run import FinetuneRun
from teacher_export.teacher.finetune_selection import PATIENCE, Judgement, Selection
from teacher_export.teacher.finetune_state import read_record, state_file
from teacher_export.teacher.source import folder_source
from tiny_teacher import make_dataset

SETTINGS = settings_of(epochs=12, chosen_by=HELD_OUT, kept=KEPT, learning_rate=1e-2)


def train(bare, folder, validation=None, **changes):
    splits = make_dataset(160).splits
    finetune(load(bare), splits["train"], {**SETTINGS, **changes}, folder, CPU, None, validation)
    return (folder / "model.safetensors").read_bytes()


def judged(folder, split):
    """Return the saved teacher's macro F1 on a split."""
    teacher = load(folder)
    encoded = teacher.saved_tokenizer(split.texts, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.inference_mode():
        logits = teacher.model(encoded["input_ids"], encoded["attention_mask"]).logits.numpy()
    return macro_f1(split.labels, logits.argmax(axis=1))


@pytest.mark.parametrize("chosen_by", [HELD_OUT, VALIDATION])
def test_the_epoch_that_is_best_on_rows_not_trained_on_is_saved(bare, tmp_path, capsys, chosen_by):
    validation = make_dataset(80, seed=9).splits["train"]
    train(bare, tmp_path / "out", validation, chosen_by=chosen_by)
    said = capsys.readouterr().out
    scores = [float(score) for score in re.findall(r"epoch \d+ of at most 12: .*macro F1 ([\d.]+),", said)]
    assert scores[-1] < max(scores)
    kept = int(re.search(r"epoch (\d+) is kept", said)[1])
    assert scores[kept - 1] == max(scores)
    settings = {**SETTINGS, "chosen_by": chosen_by}
    _, rows = training_and_judging(make_dataset(160).splits["train"], validation, settings)
    assert f"{judged(tmp_path / 'out', rows):.3f}" == f"{max(scores):.3f}"


def test_it_ends_before_the_last_epoch_where_further_ones_do_not_pay(bare, tmp_path, capsys):
    train(bare, tmp_path / "out", epochs=60)
    said = capsys.readouterr().out
    epochs, kept = len(re.findall("of at most 60", said)), int(re.search(r"epoch (\d+) is kept", said)[1])
    assert kept + PATIENCE <= epochs < 60


@pytest.mark.parametrize("further", [-2, 0, 1])
def test_a_killed_run_chooses_as_one_that_was_never_stopped(bare, tmp_path, monkeypatch, capsys, further):
    changes = {"learning_rate": 3e-2}
    whole = train(bare, tmp_path / "whole", **changes)
    said = capsys.readouterr().out
    epochs, kept = len(re.findall("of at most 12", said)), int(re.search(r"epoch (\d+) is kept", said)[1])
    # In the epoch that is kept or around it: 108 rows are 14 batches of 8.
    steps = 14 * min(max(1, kept + further), epochs - 1) + 3
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
            train(bare, tmp_path / "stopped", **changes)
    assert state_file(tmp_path / "stopped").exists()
    assert train(bare, tmp_path / "stopped", **changes) == whole


def selected(labels, *epochs):
    """Return the selection among epochs, each its answers and its loss."""
    selection = Selection(SingleLabel(), np.array(labels))
    for number, (answers, loss) in enumerate(epochs, 1):
        score = SingleLabel().scores(np.array(labels), np.array(answers))[1]
        selection.add(Judgement(number, loss, score, np.array(answers)), {"w": torch.tensor(number)})
    return selection


def test_patience_lasts_while_the_score_rises_or_the_loss_falls():
    def ended_after(*epochs):
        labels = np.arange(100) % 2
        return selected(
            labels, *((np.where(np.arange(100) < right, labels, 1 - labels), loss) for right, loss in epochs)
        )

    same = (50, 1.0)
    assert not ended_after(same, *[same] * (PATIENCE - 1)).should_end
    assert ended_after(same, *[same] * PATIENCE).should_end
    assert not ended_after(same, *[(40, 1 - step / 10) for step in range(1, 6)]).should_end
    assert not ended_after(same, *[(50 + step * 10, 1 + step) for step in range(1, 6)]).should_end
    kept = ended_after((30, 1.0), (50, 2.0), (50, 1.5), (40, 0.1))
    assert (kept.best.epoch, int(kept.weights["w"])) == (3, 3)


def test_of_two_epochs_that_chance_may_part_the_lower_loss_is_kept():
    labels = np.arange(400) % 2
    rng = np.random.default_rng(0)

    def answers(share_right):
        return np.where(rng.random(400) < share_right, labels, 1 - labels)

    early = answers(0.6)
    late = np.roll(early, 200)
    late[:3] = labels[:3]
    assert selected(labels, (early, 0.7), (late, 1.5)).best.epoch == 1
    assert selected(labels, (late, 1.5), (early, 0.7)).best.epoch == 2
    assert selected(labels, (early, 0.7), (answers(0.8), 1.5)).best.epoch == 2
    # The same lead is no chance on rows that all say so.
    better = early.copy()
    better[np.flatnonzero(early != labels)[:8]] = labels[np.flatnonzero(early != labels)[:8]]
    assert selected(labels, (early, 0.7), (better, 1.5)).best.epoch == 2


def test_what_is_kept_stays_within_chance_of_the_highest_score_however_the_loss_falls():
    labels = np.arange(400) % 2
    rights = range(360, 200, -10)
    epochs = [(np.where(np.arange(400) < right, labels, 1 - labels), right / 400) for right in rights]
    # The last of a long fall would be kept if each were compared with the one before.
    assert selected(labels, *epochs).best.epoch < 3
    assert selected(labels, *reversed(epochs)).best.epoch >= len(epochs) - 1


def test_an_undefined_score_is_less_than_any():
    scores = Score()
    labels = np.arange(20.0)
    for order, kept in (((0, 1), 2), ((1, 0), 1)):
        selection = Selection(scores, labels)
        epochs = [(np.zeros(20), 0.5), (labels[::-1] % 7, 2.0)]
        for number, place in enumerate(order, 1):
            answers, loss = epochs[place]
            selection.add(Judgement(number, loss, scores.scores(labels, answers)[1], answers), {"w": torch.tensor(0)})
        assert selection.best.epoch == kept


def test_what_is_held_out_is_a_share_of_every_class_that_can_spare_a_row():
    sizes = (4, 5, 15, 300, 2_000)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    chosen = held_out(labels, 7)
    counts = np.bincount(labels[chosen], minlength=len(sizes))
    assert counts[0] == 0
    assert (counts[1:] >= 1).all()
    assert np.abs(counts[2:] - np.array(sizes[2:]) / 10).max() <= 1
    np.testing.assert_array_equal(chosen, held_out(labels, 7))
    assert not np.array_equal(chosen, held_out(labels, 8))
    assert held_out(np.repeat([0, 1], 100_000), 0).sum() == 2_000
    assert not held_out(np.arange(40) // 4, 0).any()


def test_few_rows_get_more_epochs_and_many_no_more_than_usual():
    assert most_epochs(1_000_000, 32, 3) == 3
    steps = [rows // 32 * most_epochs(rows, 32, 3) for rows in (1_600, 3_200, 6_400, 9_600)]
    assert min(steps) >= 1_000
    assert most_epochs(40, 32, 3) == 20
    assert most_epochs(40, 32, 30) == 30


def test_an_exact_number_of_epochs_leaves_the_settings_and_the_rows_as_they_were(bare):
    dataset, source = make_dataset(160), folder_source(bare, "tiny")
    exact = finetuning_settings(configure("x", "out", finetune_epochs=4), dataset, source, "float32")
    assert exact["epochs"] == 4
    assert set(exact) == set(SETTINGS) - {"chosen_by", "kept"}
    chosen = finetuning_settings(configure("x", "out"), dataset, source, "float32")
    assert (chosen["chosen_by"], chosen["epochs"]) == (HELD_OUT, 20)
    dataset.splits["validation"] = dataset.splits["test"]
    assert finetuning_settings(configure("x", "out"), dataset, source, "float32")["chosen_by"] == VALIDATION
    rows, judging = training_and_judging(dataset.splits["train"], None, exact)
    assert (len(rows), judging) == (len(dataset.splits["train"]), None)


def test_classes_never_named_on_the_rows_that_choose_are_named_with_their_training_rows(bare, tmp_path, capsys):
    train(bare, tmp_path / "out", learning_rate=1e-5, epochs=1)
    said = capsys.readouterr().err
    assert "warning: fine-tuning: on the rows held out of the training split the teacher never named" in said
    assert re.search(r"'\d stars?' \(2[12] training rows\)", said)
    assert "--class-weights balanced" in said
    train(bare, tmp_path / "learnt")
    assert "warning" not in capsys.readouterr().err


def test_a_class_of_too_few_rows_to_hold_any_out_is_trained_on_whole(bare, tmp_path, monkeypatch):
    seen = []
    plain = module.FinetuneRun

    def noted(teacher, rows, judging, *others):
        seen.append((np.bincount(rows.labels), judging))
        return plain(teacher, rows, judging, *others)

    monkeypatch.setattr(module, "FinetuneRun", noted)
    split = make_dataset(160).splits["train"]
    few = split.take(np.concatenate([np.flatnonzero(split.labels == 0)[:4], np.flatnonzero(split.labels == 1)]))
    finetune(load(bare), few, {**SETTINGS, "epochs": 1}, tmp_path / "out", CPU)
    (counts, judging), *_ = seen
    assert counts[0] == 4
    assert counts[1] + len(judging) == 24
    assert set(judging.labels.tolist()) == {1}


@pytest.mark.usefixtures("small_data")
def test_an_export_without_a_number_of_epochs_is_made_once_and_names_what_differs(bare, tmp_path, capsys, monkeypatch):
    asked = {"finetune_output": tmp_path / "tuned"}
    export.run(configure(bare, tmp_path / "out", **asked))
    assert "at most 20 epochs, the best by the rows held out of the training split kept" in capsys.readouterr().out
    found = read_manifest(tmp_path / "out").config["finetuning"]
    assert found == read_record(tmp_path / "tuned")
    assert found["chosen_by"] == HELD_OUT
    monkeypatch.setattr(module, "finetune", lambda *_: pytest.fail("it is trained again"))
    export.run(configure(bare, tmp_path / "out", **asked))
    assert "it is reused" in capsys.readouterr().out
    for options, words in (
        ({"finetune_epochs": 20}, r"its choice of the epoch \(without --finetune-epochs\) is 'rows held out"),
        ({"class_weights": "balanced"}, "its --class-weights is None, this one's is 'balanced'"),
        ({"finetune_freeze": 0}, "its --finetune-freeze is None, this one's is 0"),
        ({"finetune_layer_decay": 0.5}, "its --finetune-layer-decay is None, this one's is 0.5"),
    ):
        with pytest.raises(InputError, match=words):
            export.run(configure(bare, tmp_path / "other", **asked, **options))
    record = tmp_path / "tuned" / "finetuning.json"
    record.write_text(
        json.dumps({name: value for name, value in json.loads(record.read_text()).items() if name != "kept"})
    )
    with pytest.raises(InputError, match=r"its rule for the epoch that is kept .* is None, this one's is 'the lowest"):
        export.run(configure(bare, tmp_path / "other", **asked))
