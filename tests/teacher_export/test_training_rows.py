"""A fine-tuned teacher is not tested on texts that it was trained on."""

import numpy as np
import pytest

from distill_jax.errors import InputError
from export_helpers import ROWS, configure, configure_finetuned, make_bare_teacher
from teacher_export import export
from teacher_export.data import dataset as datasets
from teacher_export.teacher.training_rows import text_digests
from tiny_teacher import make_dataset


def split_by(config, folder=None):
    """Return the same 200 rows for every configuration, shuffled and cut as it says."""
    whole = make_dataset(ROWS)
    ids, texts, labels = (
        np.concatenate([getattr(split, name) for split in whole.splits.values()])
        for name in ("example_ids", "texts", "labels")
    )
    order = np.random.default_rng(config.seed).permutation(ROWS)
    cut = int(ROWS * config.train_fraction)
    validation = int(cut * config.validation_fraction)
    parts = {"train": order[: cut - validation], "test": order[cut:], "validation": order[cut - validation : cut]}
    splits = {
        name: datasets.Split(ids[rows], [str(text) for text in texts[rows]], labels[rows])
        for name, rows in parts.items()
        if len(rows)
    }
    return datasets.Dataset("table", whole.label_names, splits, datasets.fingerprint_of(whole.label_names, splits))


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", split_by)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return make_bare_teacher(tmp_path_factory)


@pytest.fixture(scope="module")
def tuned(bare, tmp_path_factory):
    """The folder of a teacher fine-tuned on the default split."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load_dataset", split_by)
        export.run(configure_finetuned(bare, folder / "out", finetune_epochs=1))
    return folder / "out-teacher"


@pytest.mark.parametrize(
    ("options", "split", "difference"),
    [
        ({"seed": 7}, "test", "--seed was 42, is 7"),
        ({"train_fraction": 0.6}, "test", "--train-fraction was 0.8, is 0.6"),
        ({"validation_fraction": 0.25}, "validation", "--validation-fraction was 0.0, is 0.25"),
    ],
)
def test_another_split_is_refused_by_what_differs_however_the_teacher_is_named(
    bare, tuned, tmp_path, options, split, difference
):
    config = configure(tuned, tmp_path / "again", **options)
    rows = split_by(config.data).splits
    trained = set(split_by(configure(tuned, tmp_path).data).splits["train"].texts)
    known = sum(text in trained for text in rows[split].texts)
    wanted = f"it was fine-tuned on {known} of the {len(rows[split])} texts of this {split} split.*: {difference}; give"
    with pytest.raises(InputError, match=wanted):
        export.run(config)
    assert not (tmp_path / "again").exists()
    with pytest.raises(InputError, match=f"out-teacher: it was trained on other rows than this split's: {difference};"):
        export.run(configure(bare, tmp_path / "other", finetune_output=tuned, finetune_epochs=1, **options))


def test_the_same_split_and_new_texts_are_welcome(tuned, tmp_path, monkeypatch, capsys):
    export.run(configure(tuned, tmp_path / "same"))
    smaller = {"train_fraction": 0.9}  # its test rows are among those of before
    export.run(configure(tuned, tmp_path / "smaller", **smaller))
    fresh = make_dataset(ROWS, 5)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: fresh)
    seen = np.load(tuned / "training_texts.npy")
    assert np.isin(text_digests(fresh.splits["test"].texts), seen).sum() <= 1
    export.run(configure(tuned, tmp_path / "fresh"))
    assert "fine-tuned on other" not in capsys.readouterr().err


def test_a_folder_from_before_texts_were_noted_serves_with_a_warning(bare, tmp_path, capsys):
    export.run(configure_finetuned(bare, tmp_path / "out", finetune_epochs=1))
    for name in ("training_texts.npy", "training_split.json"):
        (tmp_path / "out-teacher" / name).unlink()
    capsys.readouterr()
    export.run(configure(tmp_path / "out-teacher", tmp_path / "same"))
    assert "does not say on which texts" not in capsys.readouterr().err.replace("\n", " ")
    export.run(configure(tmp_path / "out-teacher", tmp_path / "again", seed=7))
    assert "does not say on which texts: where they are in this test" in capsys.readouterr().err


def test_digests_differ_where_texts_do():
    texts = ["", "a", "A", "a ", "\ud800", "ä"]
    assert len(np.unique(text_digests([*texts, *texts]))) == len(texts)
    assert len(text_digests([])) == 0
