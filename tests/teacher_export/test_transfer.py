"""The transfer set: what is let in and what never is, through to the export folder."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from distill_jax.export.writer import OtherExportError
from export_helpers import (
    all_logits,
    configure,
    configure_finetuned,
    contents,
    count_predictions,
)
from teacher_export import export
from teacher_export.data import dataset as datasets
from teacher_export.data.dataset import Dataset, Split
from teacher_export.transfer import packaged_texts
from teacher_export.transfer import transfer_set as transfer
from teacher_export.transfer.near_copies import NearCopyIndex
from teacher_export.transfer.words import normalised_words
from tiny_teacher import LABEL_NAMES, OF_TEACHER, WORDS, make_tokenizer
from tolerances import assert_close

PLACES = ["at home", "in the office", "on the train", "while cooking", "for a year", "with friends", "in bed", "daily"]
ADJECTIVES = [word for words in WORDS.values() for word in words]
PLANTED = [
    "We took the new tablet to the lake and the screen was awful in the sun.",  # test
    "Nobody in the family could find the switch, which is poor work by any measure.",  # validation
]
NEAR = [
    PLANTED[0].upper(),
    PLANTED[0].replace("new", "old"),
    f"A friend wrote: {PLANTED[1]} So there!",
    PLANTED[1].replace("family", "[MASK]"),
]


def make_dataset():
    rng = np.random.default_rng(0)
    texts = [
        f"the {noun} was {ADJECTIVES[rng.integers(15)]} {place} and i found it {ADJECTIVES[rng.integers(15)]} {tail}"
        for (noun, place), tail in zip(
            itertools.product(["film", "phone", "book", "case"], PLACES), rng.permutation(32).astype(str), strict=True
        )
    ]
    texts = [*texts[:24], NEAR[1], texts[24], *texts[25:28], PLANTED[0], *texts[28:], PLANTED[1]]
    labels = (np.arange(len(texts)) % 5).astype(np.int32)
    ids = np.arange(len(texts), dtype=np.int64)
    parts = {"train": slice(0, 26), "test": slice(26, 30), "validation": slice(30, None)}
    splits = {name: Split(ids[part], texts[part], labels[part]) for name, part in parts.items()}
    return Dataset("table", LABEL_NAMES, splits, "planted")


@pytest.fixture(autouse=True)
def _data(monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: make_dataset())


@pytest.fixture
def unlabelled(tmp_path):
    path = tmp_path / "more.txt"
    train = make_dataset().splits["train"].texts
    lines = [*NEAR, train[3].upper(), "a fine and new text", "", "A FINE and new text!", "...", "second of them"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def build(output="out", **options):
    return transfer.build_transfer_set(configure("t", output, **options), make_dataset(), "[MASK]")


def test_unlabelled_texts_get_in_but_for_copies_and_near_copies(unlabelled, capsys):
    made = build(unlabelled=(unlabelled,))
    assert made.split.texts == ["a fine and new text", "second of them"]
    assert made.split.labels.tolist() == [-1, -1]
    assert made.split.example_ids.tolist() == [0, 1]
    out = capsys.readouterr().out
    table = out[out.index("The transfer set, by origin:") :].splitlines()
    assert table[1].split() == ["origin", "texts", "wordless", "repeated", "near", "copies"]
    assert "much like a test or validation text" in table[4]
    assert table[3].split() == [str(unlabelled), "2", "1", "3", "3"]  # one near copy is a training text too
    assert table[5:] == ["more.txt: a fine and new text", "more.txt: second of them"]


def test_copies_of_training_texts_are_new_different_and_far_from_the_protected_texts(capsys):
    made = build(augment=20)
    train = make_dataset().splits["train"].texts
    keys = [tuple(normalised_words(text)) for text in made.split.texts]
    assert len(set(keys)) == len(keys) > 250
    assert not set(keys) & {tuple(normalised_words(text)) for text in train}
    assert len(np.unique(made.split.example_ids)) == len(keys)
    # the training text that nearly copies a test text is not a source: its own words are nowhere
    assert not any({"tablet", "lake", "sun"} & set(key) for key in keys)
    assert any("mask" in key for key in keys)
    out = capsys.readouterr().out
    protected = [text for name in ("test", "validation") for text in make_dataset().splits[name].texts]
    near = int(NearCopyIndex(protected).find([normalised_words(text) for text in train]).sum())
    assert near >= 1
    assert f"training texts of which no copies are made (near copies, wordless): {near}\n" in out
    assert f"20 copies of {26 - near} training texts" in out
    assert sum(line.startswith("augmented: ") for line in out.splitlines()) == 3


def test_without_the_filters_the_planted_copies_would_get_in(monkeypatch):
    class Blind(transfer.NearCopyIndex):
        def find(self, texts):
            return np.zeros(len(texts), bool)

    monkeypatch.setattr(transfer, "NearCopyIndex", Blind)
    assert any({"tablet", "lake", "sun"} & set(normalised_words(text)) for text in build(augment=20).split.texts)


def test_the_seed_decides_the_texts(unlabelled):
    first, same, other = (build(augment=3, unlabelled=(unlabelled,), seed=seed) for seed in (1, 1, 2))
    assert first.split.texts == same.split.texts
    assert first.description == same.description
    assert first.split.texts != other.split.texts
    assert first.description["fingerprint"] != other.description["fingerprint"]


def test_unlabelled_texts_stand_before_the_copies_and_are_not_repeated_by_them(unlabelled):
    made = build(augment=3, unlabelled=(unlabelled,))
    assert made.split.texts[:2] == ["a fine and new text", "second of them"]
    assert made.split.texts[2:] == build(augment=3).split.texts


def test_nothing_left_is_refused_after_the_reasons(tmp_path, capsys):
    path = tmp_path / "only.txt"
    path.write_text(PLANTED[0])
    with pytest.raises(InputError, match="the transfer set: no text is left of --unlabelled and --augment"):
        build(unlabelled=(path,))
    assert f"{path}      0         0         0            1\n" in capsys.readouterr().out


def test_files_of_the_same_name_are_both_counted(tmp_path, capsys):
    paths = tuple(tmp_path / folder / "more.txt" for folder in "ab")
    for path in paths:
        path.parent.mkdir()
        path.write_text(f"a text of {path.parent.name}")
    assert build(unlabelled=paths).split.texts == ["a text of a", "a text of b"]
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith(str(tmp_path))] == ["1", "1"]


def test_the_export_holds_the_teachers_logits_for_the_transfer_split(headed, tmp_path, unlabelled, capsys):
    config = configure(headed, tmp_path / "out", unlabelled=(unlabelled,), augment=4, part_rows=16)
    folder = export.run(config)
    manifest = read_manifest(folder)
    assert list(manifest.splits) == ["train", "test", "validation", "transfer"]
    made = build(unlabelled=(unlabelled,), augment=4)
    assert manifest.examples("transfer") == len(made.split) > 50
    parts = list(iterate_parts(folder, manifest, "transfer"))
    assert np.concatenate([part.example_ids for part in parts]).tolist() == list(range(len(made.split)))
    assert (np.concatenate([part.labels for part in parts]) == -1).all()
    tokenizer = make_tokenizer()
    masked = next(index for index, text in enumerate(made.split.texts) if "[MASK]" in text)
    part = parts[masked // 16]
    tokens = tokenizer(made.split.texts[masked], truncation=True, max_length=32)["input_ids"]
    assert part.tokens.take(np.array([masked % 16])).ids.tolist() == tokens
    assert tokenizer.mask_token_id in tokens
    import torch
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(headed).eval()
    with torch.inference_mode():
        alone = model(torch.tensor([tokens])).logits[0].numpy()
    assert_close(all_logits(folder, "transfer")[masked], alone[::-1], **OF_TEACHER)
    assert "transfer" not in manifest.teacher["splits"]
    assert manifest.config["transfer"]["mask_token"] == "[MASK]"
    assert manifest.config["transfer"]["augment"] == 4
    assert str(tmp_path) not in json.dumps(manifest.config)
    line = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("transfer "))
    assert line == ["transfer", str(len(made.split)), "-", "-"]


def test_a_second_run_draws_no_text_again(headed, tmp_path, unlabelled, monkeypatch, capsys):
    config = configure(headed, tmp_path / "out", unlabelled=(unlabelled,), augment=2)
    export.run(config)
    monkeypatch.setattr(export, "_Export", None)
    monkeypatch.setattr(transfer, "Augmenter", None)
    export.run(config)
    assert "is reused" in capsys.readouterr().out


def test_an_interrupted_transfer_pass_goes_on_with_the_same_bytes(headed, tmp_path, unlabelled, monkeypatch):
    from teacher_export.teacher import logits as predict

    options = {"unlabelled": (unlabelled,), "augment": 4, "part_rows": 16}
    export.run(configure(headed, tmp_path / "whole", **options))
    plain = predict.predict_logits

    def interrupted(*arguments, **named):
        if named["where"] == "split transfer, part 2, ":
            raise KeyboardInterrupt
        return plain(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(predict, "predict_logits", interrupted)
        with pytest.raises(Interrupted):
            export.run(configure(headed, tmp_path / "out", **options))
    calls = count_predictions(monkeypatch)
    export.run(configure(headed, tmp_path / "out", **options))
    assert calls[0] == "split transfer, part 2, "
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_export_without_a_transfer_set_says_nothing_of_it_and_is_another_export(headed, tmp_path, unlabelled):
    export.run(configure(headed, tmp_path / "out"))
    found = read_manifest(tmp_path / "out").config
    assert not {"transfer", "validation_fraction"} & found.keys()
    with pytest.raises(OtherExportError, match=r"its config\.transfer is None, this one's is \{"):
        export.run(configure(headed, tmp_path / "out", augment=1))


@pytest.mark.parametrize(
    "change", [{"augment": 3}, {"cross_probability": 0.1}, {"seed": 7}, {"unlabelled_rows": 9}, "file"]
)
def test_another_transfer_set_is_never_mixed_in(headed, tmp_path, unlabelled, change):
    options = {"unlabelled": (unlabelled,), "augment": 2}
    export.run(configure(headed, tmp_path / "out", **options))
    if change == "file":
        unlabelled.write_text("other texts")
    else:
        options.update(change)
    with pytest.raises(OtherExportError, match=r"its config\."):
        export.run(configure(headed, tmp_path / "out", **options))


def test_fine_tuning_does_not_depend_on_the_transfer_set(bare, tmp_path):
    first = configure_finetuned(bare, tmp_path / "out", finetune_epochs=1)
    export.run(first)
    tuned = first.finetune.finetune_output
    before = (tuned / "model.safetensors").stat().st_mtime_ns
    export.run(configure(bare, tmp_path / "more", augment=2, finetune_output=tuned, finetune_epochs=1))
    assert (tuned / "model.safetensors").stat().st_mtime_ns == before
    for split in ("train", "test", "validation"):
        np.testing.assert_array_equal(all_logits(tmp_path / "out", split), all_logits(tmp_path / "more", split))


def test_the_word_demo_takes_the_demos_unlabelled_texts(monkeypatch, capsys):
    monkeypatch.setattr(packaged_texts, "load_unlabelled_demo_texts", lambda _: ["one two three", PLANTED[0]])
    assert build(unlabelled=(Path("demo"),)).split.texts == ["one two three"]
    assert "the demo's editorials and tweets" in capsys.readouterr().out


def test_the_word_film_reviews_takes_their_sentences(monkeypatch, capsys):
    found = iter(["one two three", PLANTED[0]])
    monkeypatch.setattr(packaged_texts, "load_film_review_sentences", lambda: found)
    made = build(unlabelled=(Path("film-reviews"),))
    assert made.split.texts == ["one two three"]
    assert made.description["unlabelled"] == [{"name": "film-reviews", "sha256": "film-reviews", "columns": []}]
    assert "sentences of film reviews" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["demo", "film-reviews"])
def test_a_word_named_twice_is_refused(word):
    with pytest.raises(InputError, match=f"--unlabelled {word}: it is named twice"):
        build(unlabelled=(Path(word), Path(word)))


def test_so_many_texts_are_drawn_of_each_source(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("".join(f"{name} text number {line}\n" for line in range(50)))
    paths = (tmp_path / "a.txt", tmp_path / "b.txt")
    made = build(unlabelled=paths, unlabelled_rows=20)
    assert [text[0] for text in made.split.texts] == ["a"] * 20 + ["b"] * 20
    assert made.split.texts == build(unlabelled=paths, unlabelled_rows=20).split.texts
    assert made.split.texts != build(unlabelled=paths, unlabelled_rows=20, seed=1).split.texts
    assert made.description["unlabelled_rows"] == 20
    whole = build(unlabelled=paths, unlabelled_rows=50)
    assert whole.split.texts == build(unlabelled=paths).split.texts
    assert "unlabelled_rows" not in build(unlabelled=paths).description, "exports of before would not be recognised"


def test_a_missing_unlabelled_file_is_refused_before_the_data_is_read(headed, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: pytest.fail("the data was read first"))
    with pytest.raises(InputError, match=r"nowhere.txt: there is no such file; check --unlabelled"):
        export.run(configure(headed, tmp_path / "out", unlabelled=(tmp_path / "nowhere.txt",)))


def test_gzipped_text_is_read_too(tmp_path):
    path = tmp_path / "more.txt.gz"
    path.write_bytes(gzip.compress("\ufefffirst of é\r\n\r\n  second one \n".encode()))
    assert build(unlabelled=(path,)).split.texts == ["first of é", "second one"]
