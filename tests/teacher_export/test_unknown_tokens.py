"""A tokenizer of another language than the texts: said before any work."""

import csv

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from command_lines import call
from teacher_export.__main__ import main
from teacher_export.teacher.unknown_tokens import unknown_sentence

WORDS = ("good", "bad", "film", "a")
LATIN = [f"a {word} film" for word in ("good", "bad")] * 10
GREEK = [f"μια {word} ταινία" for word in ("καλή", "κακή")] * 10
MODELS = {
    "WordPiece": models.WordPiece({name: id_ for id_, name in enumerate(("[UNK]", *WORDS))}, unk_token="[UNK]"),
    "WordLevel": models.WordLevel({name: id_ for id_, name in enumerate(("<unk>", *WORDS))}, unk_token="<unk>"),
    "Unigram": models.Unigram([("<unk>", 0.0), *((word, -1.0) for word in WORDS)], unk_id=0),
    "BPE": models.BPE({name: id_ for id_, name in enumerate("?abdfgilmo")}, [], unk_token="?"),
}


def tokenizer_of(model, *, special=False):
    tokenizer = Tokenizer(MODELS[model])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 6), ("[CLS]", 5))
    tokenizer.enable_truncation(16)
    return tokenizer


@pytest.mark.parametrize("model", ["WordPiece", "WordLevel", "Unigram", "BPE"])
def test_texts_of_unknown_tokens_alone_are_warned_of(model):
    said = unknown_sentence(tokenizer_of(model), GREEK)
    assert "WARNING: 100% of the training texts' tokens are" in said
    assert "another language or script" in said
    assert unknown_sentence(tokenizer_of(model), LATIN) is None
    assert unknown_sentence(tokenizer_of(model), LATIN + GREEK[:9]) is None


def test_what_is_added_to_every_text_does_not_hide_it():
    assert "100%" in unknown_sentence(tokenizer_of("WordPiece", special=True), ["ταινία"] * 5)


def test_texts_without_a_token_are_warned_of():
    assert "finds no token in the training texts" in unknown_sentence(tokenizer_of("WordPiece"), ["", " "])


@pytest.mark.parametrize(("texts", "warned"), [(GREEK, True), (LATIN, False)])
def test_an_export_says_it_before_any_work(tmp_path, capsys, texts, warned):
    tokenizer_of("WordPiece").save(str(tmp_path / "tokenizer.json"))
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["text", "a", "b"], *([text, 0.9, 0.1] for text in texts)])
    words = [
        "--dataset",
        "table",
        "--data",
        tmp_path / "rows.csv",
        "--text-column",
        "text",
        "--teacher-outputs",
        "a",
        "b",
    ]
    status, _, error = call(
        capsys, main, *words, "--tokenizer", tmp_path / "tokenizer.json", "--output", tmp_path / "out"
    )
    assert status == 0, error
    assert ("unknown to the tokenizer" in error) == warned
