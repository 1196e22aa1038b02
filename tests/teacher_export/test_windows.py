"""Texts longer than a teacher reads, in windows; and students that read another length than their teacher."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from command_lines import call, refusal
from distill_jax.data.exports import Export
from distill_jax.errors import InputError, Interrupted
from distill_jax.export.format import read_manifest
from distill_jax.export.reader import iterate_parts
from export_helpers import all_logits, configure, contents
from teacher_export import export
from teacher_export.__main__ import main
from teacher_export.teacher import windows
from teacher_export.teacher.tokens import encode
from teacher_export.teacher.windows import WindowReader, mean_of_windows
from tiny_teacher import OF_TEACHER, make_dataset, make_teacher, make_tokenizer, reviews
from tolerances import assert_close

LENGTH, OVERLAP = 8, 2


def word_tokenizer(side="right"):
    """Return a tokenizer of numbers as words, whose ids are the numbers."""
    tokenizer = Tokenizer(models.WordLevel({str(number): number for number in range(400)}, unk_token="0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("399", 399), ("398", 398))
    tokenizer.enable_truncation(5, direction=side)
    return tokenizer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("overlap", [0, 1, 3])
@pytest.mark.parametrize("words", [0, 1, 6, 7, 8, 12, 60])
def test_windows_cover_every_token_and_overlap_as_asked(words, overlap, side):
    text = " ".join(map(str, range(1, words + 1)))
    rows, counts, _ = WindowReader.of(word_tokenizer(side), LENGTH, overlap).read(["5 6", text, ""])
    assert counts.sum() == len(rows)
    assert (counts[0], counts[2]) == (1, 1)
    found = [row.tolist() for row in np.split(rows.ids, rows.stops[:-1])][1 : 1 + counts[1]]
    assert all((row[0], row[-1]) == (398, 399) and len(row) <= LENGTH for row in found)
    inner = [row[1:-1] for row in found]
    if side == "left":  # the window that holds the text's end comes first
        inner = inner[::-1]
    assert sorted({token for row in inner for token in row}) == list(range(1, words + 1))
    for one, other in itertools.pairwise(inner):
        assert len(set(one) & set(other)) >= overlap
        assert other[0] == one[-1] + 1 - len(set(one) & set(other))
    shared = [len(set(one) & set(other)) for one, other in itertools.pairwise(inner)]
    assert all(each == overlap for each in (shared[1:] if side == "left" else shared[:-1]))


def test_many_long_texts_are_read_in_their_order_a_part_at_a_time(monkeypatch):
    texts = [" ".join(map(str, range(first, first + 30 * (first % 3)))) for first in range(1, 40)]
    reader = WindowReader.of(word_tokenizer(), LENGTH, OVERLAP)
    whole = reader.read(texts)
    monkeypatch.setattr(windows, "_CHUNK_TEXTS", 3)
    monkeypatch.setattr(windows, "_CHUNK_CHARACTERS", 100)
    parts = reader.read(texts)
    for one, other in ((whole[0].ids, parts[0].ids), (whole[0].lengths, parts[0].lengths), (whole[1], parts[1])):
        np.testing.assert_array_equal(one, other)


def test_a_text_has_so_many_windows_at_most(monkeypatch):
    monkeypatch.setattr(windows, "MOST_WINDOWS", 3)
    rows, counts, cut = WindowReader.of(word_tokenizer(), LENGTH, 0).read(["7 " * 100_000, "7 8", "7 " * 19])
    assert counts.tolist() == [3, 1, 3]
    assert (len(rows), cut) == (7, 2)


@pytest.mark.parametrize(("tokens", "most"), [(7, 2), (24, 3), (39, 4), (400, 50)])
def test_a_text_has_so_many_tokens_in_windows_at_most_and_two_windows_always(monkeypatch, tokens, most):
    monkeypatch.setattr(windows, "MOST_TOKENS", tokens)
    rows, counts, cut = WindowReader.of(word_tokenizer(), LENGTH, 0).read(["7 " * 100_000, "7 8"])
    assert (counts.tolist(), len(rows), cut) == ([most, 1], most + 1, 1)


def test_a_mean_is_its_windows_and_of_one_window_the_window_itself():
    logits = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    found = mean_of_windows(logits, np.array([1, 3, 2]))
    np.testing.assert_array_equal(found[0], logits[0])
    assert_close(found[1], logits[1:4].mean(axis=0), terms=3, why="a mean of three")
    assert mean_of_windows(logits[:0], np.array([], np.int64)).shape == (0, 3)


def read_in(config, **options):
    return dataclasses.replace(config, teacher=dataclasses.replace(config.teacher, **options))


@pytest.mark.usefixtures("small_data")
def test_an_export_has_the_mean_of_what_transformers_gives_the_windows(headed, tmp_path):
    from transformers import AutoModelForSequenceClassification

    reading = {"max_length": LENGTH, "long_texts": "windows", "window_overlap": OVERLAP, "student_max_length": 20}
    folder = export.run(read_in(configure(headed, tmp_path / "out"), **reading))
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(headed).eval(), make_tokenizer()
    dataset, several = make_dataset(200, 42), 0
    manifest = read_manifest(folder)
    assert (manifest.max_length, manifest.config["teacher_reads"]) == (20, {"max_length": LENGTH, "overlap": OVERLAP})
    for split in ("train", "test"):
        texts, logits = dataset.splits[split].texts, all_logits(folder, split)
        tokens = [part.tokens for part in iterate_parts(folder, manifest, split)]
        assert len(logits) == len(texts)
        for row in range(0, len(texts), 3):
            options = {"truncation": True, "max_length": LENGTH, "stride": OVERLAP, "return_overflowing_tokens": True}
            encoded = tokenizer(texts[row], padding=True, return_tensors="pt", **options)
            several += len(encoded["input_ids"]) > 1
            with torch.inference_mode():
                theirs = model(encoded["input_ids"], encoded["attention_mask"]).logits.mean(dim=0).numpy()
            assert_close(logits[row], theirs[::-1], **OF_TEACHER)
            of_student = tokenizer(texts[row], truncation=True, max_length=20)["input_ids"]
            assert tokens[row // 32].take(np.array([row % 32])).ids.tolist() == of_student
    assert several > 20


HEADS = {
    "score": (("quality",), "regression", [0]),
    "multi-label": (("b", "c", "a"), "multi_label_classification", [2, 0, 1]),
}


@pytest.mark.parametrize("task", HEADS)
def test_a_score_and_several_labels_are_means_over_the_windows_too(tmp_path, capsys, task):
    names, kind, columns = HEADS[task]
    model = make_teacher(tmp_path / "teacher", label_names=names, problem_type=kind)
    texts, tokenizer = reviews(60)[0], make_tokenizer()
    texts = [" ".join(texts[row : row + 1 + row % 3]) for row in range(60)]
    labels = [float(row) if task == "score" else [*"abc"][: row % 4] for row in range(60)]
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = [
        "--dataset",
        "table",
        "--data",
        tmp_path / "rows.jsonl",
        "--text-column",
        "text",
        "--label-column",
        "label",
    ]
    words += ["--task", task, "--teacher", tmp_path / "teacher", "--precision", "float32", "--max-length", LENGTH]
    words += ["--long-texts", "windows", "--window-overlap", OVERLAP, "--output", tmp_path / "out"]
    status, _, error = call(capsys, main, *words)
    assert status == 0, error
    several = 0
    for split in ("train", "test"):
        ids = getattr(Export.open(tmp_path / "out"), split).example_ids
        for row, found in zip(ids.tolist(), all_logits(tmp_path / "out", split), strict=True):
            options = {"truncation": True, "max_length": LENGTH, "stride": OVERLAP, "return_overflowing_tokens": True}
            encoded = tokenizer(texts[row], padding=True, return_tensors="pt", **options)
            several += len(encoded["input_ids"]) > 1
            with torch.inference_mode():
                theirs = model(encoded["input_ids"], encoded["attention_mask"]).logits.mean(dim=0).numpy()
            assert_close(found, theirs[columns], **OF_TEACHER)
    assert several > 20


@pytest.mark.usefixtures("small_data")
def test_short_texts_keep_their_logits_and_an_export_without_the_options_its_bytes(headed, tmp_path):
    plain = export.run(read_in(configure(headed, tmp_path / "plain"), max_length=LENGTH))
    wide = export.run(read_in(configure(headed, tmp_path / "wide"), max_length=LENGTH, long_texts="windows"))
    assert "teacher_reads" not in read_manifest(plain).config
    same = export.run(read_in(configure(headed, tmp_path / "same"), max_length=LENGTH, student_max_length=LENGTH))
    assert contents(plain) == contents(same)
    tokens = Export.open(plain).train.tokens
    short = tokens.lengths < LENGTH
    before, after = (all_logits(folder, "train") for folder in (plain, wide))
    assert short.any()
    np.testing.assert_array_equal(after[short], before[short])
    assert not np.allclose(after[~short], before[~short])
    np.testing.assert_array_equal(Export.open(wide).train.tokens.ids, tokens.ids)


@pytest.mark.usefixtures("small_data")
def test_stopped_and_gone_on_with_it_has_the_same_bytes(headed, tmp_path, monkeypatch):
    reading = {"max_length": LENGTH, "long_texts": "windows"}
    whole = export.run(read_in(configure(headed, tmp_path / "whole"), **reading))
    read, calls = WindowReader.read, []

    def stops(self, texts):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, texts)

    monkeypatch.setattr(WindowReader, "read", stops)
    config = read_in(configure(headed, tmp_path / "stopped"), **reading)
    with pytest.raises(Interrupted):
        export.run(config)
    assert contents(export.run(config)) == contents(whole)
    before = len(calls)
    export.run(config)  # it is whole, and reused
    assert len(calls) == before


def test_what_does_not_go_together_is_refused(tmp_path, capsys, headed):
    def said(*words):
        return refusal(capsys, main, *words)

    assert "--window-overlap goes with --long-texts windows" in said("--window-overlap", "3")
    table = ["--dataset", "table", "--data", "r.csv", "--text-column", "a", "--teacher-outputs", "b"]
    assert "--long-texts and --teacher-outputs do not go together" in said(*table, "--long-texts", "windows")
    assert "--student-max-length and --teacher-outputs" in said(*table, "--student-max-length", "9")
    with pytest.raises(
        InputError, match="--window-overlap: expected at most 3, half of the 6 tokens of text in a window, got 4"
    ):
        WindowReader.of(word_tokenizer(), LENGTH, 4)


@pytest.mark.parametrize("read", [lambda tokenizer, texts: WindowReader.of(tokenizer, 8, 2).read(texts), encode])
def test_a_tokenizer_that_fails_on_a_text_is_one_sentence(read):
    tokenizer = Tokenizer(models.WordLevel({"1": 0}, unk_token="gone"))
    tokenizer.enable_truncation(8)
    with pytest.raises(InputError, match=r"tokenizer: it cannot tokenize one of 2 texts \("):
        read(tokenizer, ["1", "2"])
