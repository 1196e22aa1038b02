"""A long text's row is that of the whole text, though its end is never looked at."""

import random

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from distill_jax.data.long_texts import encode_kept
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError

LONGEST = 12
_WORDS = ["good", "film", "naïve", "a", "b", "filmfilm", "\u0301", "日本", "x" * 150, "good" * 40]
_SPACES = [" ", "  ", "\n", " " * 600, "\u00a0", "\x00", ".", "-"]


def _bert():
    vocabulary = ["[UNK]", "[CLS]", "[SEP]", "good", "film", "##film", "a", "b", "naive", "日", "本", ".", "-"]
    model = models.WordPiece({piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=special)
    return tokenizer


def _byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([" good film naïve filmfilm good   film"] * 5, trainer)
    return tokenizer


def _unigram():
    scores = [("<unk>", -9.0), ("▁", -2.0), ("▁good", -1.0), ("good", -1.5), ("film", -1.2), ("▁film", -1.1)]
    tokenizer = Tokenizer(models.Unigram([*scores, *((letter, -4.0) for letter in "abdfgilmox")], unk_id=0))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    return tokenizer


TOKENIZERS = {"bert": _bert, "byte level": _byte_level, "unigram": _unigram}


def _texts(seed):
    """Return short and long texts, with words and blanks that are longer than what is looked at first."""
    rng = random.Random(seed)
    texts = []
    for pieces in (0, 3, 30, 300, 3000):
        for _ in range(4):
            words = rng.sample(_WORDS, rng.randint(1, 3))
            spaces = rng.sample(_SPACES, 2)
            texts.append("".join(rng.choice(words) + rng.choice(spaces) for _ in range(pieces)))
    return [*texts, " " * 9000, "\x00" * 9000 + "good film " * 50, "good" * 5000, "é" * 5000]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("seed", range(5))
def test_rows_are_the_library_s_of_the_whole_texts(name, seed):
    tokenizer = TOKENIZERS[name]()
    tokenizer.enable_truncation(LONGEST)
    texts = _texts(seed)
    rows = FastTokenizer(tokenizer, LONGEST).encode(texts)
    expected = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    found = [rows.ids[start:stop].tolist() for start, stop in zip(rows.starts, rows.stops, strict=True)]
    assert found == expected


def test_the_end_of_a_long_text_is_not_looked_at():
    seen = []

    def encode(texts):
        seen.extend(map(len, texts))
        return Ragged.of([[len(word) for word in text.split()][:LONGEST] for text in texts])

    text = "good film " * 1_000_000
    rows = encode_kept([text, "short", text], encode, LONGEST)
    assert rows.lengths.tolist() == [LONGEST, 1, LONGEST]
    assert max(seen) < 1000


def test_a_text_that_never_fills_its_row_is_refused_where_it_would_take_memory_without_bound(monkeypatch):
    monkeypatch.setattr("distill_jax.data.long_texts._FARTHEST", 10_000)
    seen = []

    def encode(texts):
        seen.extend(map(len, texts))
        return Ragged.of([[1] for _ in texts])

    with pytest.raises(InputError, match=r"a text of 100,001 characters, .*: expected 12 tokens in its 12,288 "):
        encode_kept(["short", "e" + "\u0301" * 100_000], encode, LONGEST)
    assert max(seen) < 20_000
    assert encode_kept(["e" * 100_000, "\u0301" * 9_999], encode, LONGEST).lengths.tolist() == [1, 1]


def test_a_text_that_never_fills_its_row_is_looked_at_whole():
    blank = " " * 100_000
    rows = encode_kept([blank + "good"], lambda texts: Ragged.of([[len(t.strip())] for t in texts]), LONGEST)
    assert rows.ids.tolist() == [4]
