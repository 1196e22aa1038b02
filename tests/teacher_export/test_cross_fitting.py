"""Teachers that have not seen a row: which rows train each, which it labels, and that a kill changes nothing."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from distill_jax.data.examples import read_examples
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.tasks.registry import task_named
from export_helpers import ROWS, all_logits, configure, configure_finetuned, contents, count_predictions
from teacher_export import export
from teacher_export.data.dataset import SEEN_BY_NONE
from teacher_export.options.data import DataConfig
from teacher_export.teacher import finetune_run
from teacher_export.teacher.finetune_state import read_record
from teacher_export.teacher.folds import with_folds, without_fold
from teacher_export.teacher.training_rows import text_digests
from teacher_export.transfer.transfer_set import build_transfer_set
from tiny_teacher import OF_TEACHER, make_dataset
from tolerances import assert_close

FOLDS = 3
SEED = DataConfig().seed

pytestmark = pytest.mark.usefixtures("small_data")


def crossed(bare, output, **options):
    return configure_finetuned(bare, output, **{"finetune_epochs": 1, "teacher_folds": FOLDS, **options})


def pass_of(folder, tokens):
    """A saved teacher's logits of one text, by transformers alone."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(torch.tensor(tokens.ids.astype(np.int64))[None]).logits[0].numpy()


def test_folds_keep_copies_together_are_even_and_have_every_class():
    data = make_dataset(ROWS)
    train = data.splits["train"]
    train.texts[7], train.texts[90] = train.texts[30].upper(), f"{train.texts[30]}!"
    folds = with_folds(data, 5, 0).splits["train"].folds
    assert folds[7] == folds[30] == folds[90]
    assert np.ptp(np.bincount(folds, minlength=5)) <= 2
    counts = np.histogram2d(folds, train.labels, bins=(5, 5))[0]
    assert counts.min() >= 4  # of six
    assert (with_folds(data, 5, 0).splits["train"].folds == folds).all()
    assert (with_folds(data, 5, 1).splits["train"].folds != folds).any()
    left = without_fold(with_folds(data, 5, 0), 2).splits["train"]
    assert left.example_ids.tolist() == train.example_ids[folds != 2].tolist()


def test_more_folds_than_groups_of_labelled_rows_are_refused():
    data = make_dataset(ROWS)
    data.splits["train"].labels[4:] = -1
    with pytest.raises(InputError, match=r"--teacher-folds 5: expected labelled training rows in every fold, got 4 in"):
        with_folds(data, 5, 0)


@pytest.mark.parametrize("task", ["multi-label", "score"])
def test_every_task_has_folds_of_its_rows_unlabelled_ones_too(task):
    of = task_named(task)
    data = dataclasses.replace(make_dataset(ROWS), task=of)
    train, rng = data.splits["train"], np.random.default_rng(0)
    labels = rng.random(len(train)) if task == "score" else rng.integers(0, 2, (len(train), 5))
    labels = labels.astype(of.unlabelled(1, 5).dtype)
    labels[:9] = of.unlabelled(9, 5)
    data.splits["train"] = dataclasses.replace(train, labels=labels)
    folds = with_folds(data, 4, 0).splits["train"].folds
    assert np.ptp(np.bincount(folds, minlength=4)) <= 2
    assert np.ptp(np.bincount(folds[of.is_labelled(labels)], minlength=4)) <= 4


def test_each_row_and_each_copy_is_labelled_by_the_teacher_that_has_not_seen_it(bare, tmp_path, capsys):
    more = tmp_path / "more.txt"
    more.write_text("the phone was quite superb\nan awful case and a weak film\n")
    options = {"augment": 2, "unlabelled": (more,), "part_rows": 64}
    folder = export.run(crossed(bare, tmp_path / "out", **options))
    tuned, manifest = tmp_path / "out-teacher", read_manifest(folder)
    data = with_folds(make_dataset(ROWS, SEED), FOLDS, SEED)
    folds = {"train": data.splits["train"].folds}
    folds["transfer"] = build_transfer_set(crossed(bare, tmp_path / "x", **options), data, "[MASK]").split.folds
    assert set(folds["transfer"].tolist()) == {SEEN_BY_NONE, 0, 1, 2}
    for fold in range(FOLDS):
        seen = np.load(tuned / f"fold-{fold}" / "training_texts.npy")
        others = without_fold(data, fold).splits["train"].texts
        assert seen.tolist() == np.unique(text_digests(others)).tolist()
    for split, found in folds.items():
        rows = read_examples(folder, manifest, split)
        for row in (0, 1, len(found) // 2, len(found) - 1):
            teacher = tuned if found[row] == SEEN_BY_NONE else tuned / f"fold-{found[row]}"
            expected = pass_of(teacher, rows.tokens.take(np.array([row])))
            assert_close(rows.teacher_logits[row], expected, **OF_TEACHER)
    test = read_examples(folder, manifest, "test")
    assert_close(test.teacher_logits[0], pass_of(tuned, test.tokens.take(np.array([0]))), **OF_TEACHER)
    found = manifest.config["cross_fitting"]
    assert (found["count"], found["others"]) == (FOLDS, "by the teacher fine-tuned on all training rows")
    means = [
        int(np.argmax(np.mean([pass_of(tuned / f"fold-{fold}", tokens) for fold in range(FOLDS)], axis=0)))
        for tokens in (test.tokens.take(np.array([row])) for row in range(len(test.labels)))
    ]
    crossed_accuracy = manifest.teacher["cross_fitted"]["splits"]["test"]["accuracy"]
    assert crossed_accuracy == np.mean(means == test.labels)
    assert manifest.teacher["cross_fitted"]["splits"]["test"].keys() == manifest.teacher["splits"]["test"].keys()
    assert "the mean of all of them has accuracy" in capsys.readouterr().out.replace("Accuracy", "accuracy")


def test_a_crossed_text_has_both_halves_of_one_fold():
    data = with_folds(make_dataset(ROWS, SEED), FOLDS, SEED)
    train = data.splits["train"]
    train.texts[:] = [f"{text} f{fold}a f{fold}b f{fold}c" for text, fold in zip(train.texts, train.folds, strict=True)]
    chances = {"cross_probability": 1.0, "ngram_probability": 0.0, "crop_probability": 0.0, "pos_probability": 0.0}
    made = build_transfer_set(configure("t", "out", augment=2, **chances), data, "[MASK]").split
    for text, fold in zip(made.texts, made.folds, strict=True):
        assert {word[:2] for word in text.split() if word[0] == "f" and word[1:2].isdigit()} <= {f"f{fold}"}


def test_a_kill_in_any_fine_tuning_or_part_ends_with_the_same_bytes(bare, tmp_path, monkeypatch):
    options = {"augment": 1, "part_rows": 64}
    export.run(crossed(bare, tmp_path / "whole", **options))
    config, plain, begun = crossed(bare, tmp_path / "out", **options), finetune_run.FinetuneRun.train_epoch, []

    def killed(run, bar):
        begun.append(run)
        if len(begun) == 3:  # the second of the cross-fitted
            raise KeyboardInterrupt
        plain(run, bar)

    with monkeypatch.context() as patch:
        patch.setattr(finetune_run.FinetuneRun, "train_epoch", killed)
        with pytest.raises(Interrupted, match="interrupted while fine-tuning"):
            export.run(config)
    with monkeypatch.context() as patch:
        from teacher_export.teacher import logits

        whole_pass = logits.predict_logits

        def interrupted(*arguments, **named):
            if "split transfer, part 1" in named["where"]:
                raise KeyboardInterrupt
            return whole_pass(*arguments, **named)

        patch.setattr(logits, "predict_logits", interrupted)
        with pytest.raises(Interrupted, match="the whole parts are kept"):
            export.run(config)
    calls = count_predictions(monkeypatch)
    export.run(config)
    assert not any("split train" in call for call in calls)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    tuned = [tmp_path / f"{name}-teacher" for name in ("out", "whole")]
    left, expected = (sorted(path.name for path in folder.iterdir()) for folder in tuned)
    assert left == expected
    monkeypatch.setattr(export, "_Export", None)
    export.run(config)  # it is whole
    shutil.rmtree(tuned[0])
    export.run(config)


def _beside(config, folder):
    return dataclasses.replace(config, finetune=dataclasses.replace(config.finetune, finetune_output=folder))


def test_an_export_of_one_teacher_is_another_and_its_fine_tuned_teacher_is_shared(bare, tmp_path):
    export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=1))
    plain = read_record(tmp_path / "out-teacher")
    with pytest.raises(InputError, match=r"its config\.cross_fitting is None, this one's is \{"):
        export.run(crossed(bare, tmp_path / "out"))
    tuned = tmp_path / "out-teacher"
    export.run(_beside(crossed(bare, tmp_path / "other"), tuned))
    assert read_record(tuned) == plain
    assert read_record(tuned / "fold-1") == {
        **plain,
        "fold": 1,
        "folds": FOLDS,
        "folds_sha256": read_manifest(tmp_path / "other").config["cross_fitting"]["folds_sha256"],
    }
    assert (all_logits(tmp_path / "out", "test") == all_logits(tmp_path / "other", "test")).all()
    assert (all_logits(tmp_path / "out", "train") != all_logits(tmp_path / "other", "train")).all()
    with pytest.raises(InputError, match=r"it holds another fine-tuning: its --teacher-folds is 3, this one's is 2"):
        export.run(_beside(crossed(bare, tmp_path / "third", teacher_folds=2), tuned))


def test_a_teacher_with_a_trained_head_is_not_cross_fitted(headed, tmp_path):
    with pytest.raises(InputError, match="--teacher-folds goes with a teacher without a trained head; headed has one"):
        export.run(configure(headed, tmp_path / "out", teacher_folds=3))
