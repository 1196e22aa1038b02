import string

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from distill_jax.data import tokenizer as fast_tokenizer
from distill_jax.data.ragged import TokenRows
from distill_jax.data.tokenizer import FastTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Some letters on their own, so that other words are unknown, and words with a greedy choice to make.
PIECES = [
    *string.punctuation,
    *"abcdeABCDé中",
    "ab",
    "abc",
    "Straße",
    "strasse",
    "un",
    "aff",
    "##able",
    "##a",
    "##b",
    "##bc",
]
PIECES += ["##" + letter for letter in "cdeABCDé中fn"]


def _tokenizer(max_length, *, normalizer=None, added=(), model=None, post_processor=None):
    vocab = {piece: index for index, piece in enumerate([*SPECIAL, *PIECES])}
    tokenizer = Tokenizer(model or models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=12))
    tokenizer.normalizer = normalizer or normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_special_tokens(list(added))
    tokenizer.post_processor = post_processor or processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(max_length)
    return tokenizer


def _assert_equal_to_library(tokenizer, texts, fast=None):
    fast = fast or FastTokenizer(tokenizer, tokenizer.truncation["max_length"])
    assert fast.is_fast
    rows = fast.encode(texts)
    expected = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    assert rows.ids.dtype == np.int32
    assert [row.tolist() for row in np.split(rows.ids, np.cumsum(rows.lengths)[:-1])] == expected


NORMALIZERS = {
    "uncased": {},
    "cased": {"lowercase": False},
    "cased without accents": {"lowercase": False, "strip_accents": True},
    "uncased with accents": {"strip_accents": False, "handle_chinese_chars": False},
}
ASCII = st.text(st.sampled_from("abcdfABn  .,'-[]#\t\n\r\x00\x0b\x0c\x1c\x1f\x7f"), max_size=60)
ANY = st.text(max_size=30)
ODD = st.text(
    st.sampled_from("abAB .é\u0301\u0338=中文\u00a0\u2028\u3000\u200b\ufffd\ufeff’“İΣς\x85\U0001f600ß\u1e9e\uac00ﬁ")
)
WITH_TOKENS = st.lists(st.sampled_from([*SPECIAL, "[sep]", "[SE", "P]", " ", "ab", "\x00", "[unused"])).map("".join)
TEXTS = st.lists(st.one_of(ASCII, ANY, ODD, WITH_TOKENS), min_size=1, max_size=8)


@pytest.mark.parametrize("name", NORMALIZERS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(texts=TEXTS, max_length=st.sampled_from([3, 4, 7, 20]))
@example(texts=["", " ", "\n", "\x00", "ab\x00c", "[SE\x00P]", "a" * 12, "a" * 13, "ab" * 40], max_length=7)
@example(texts=["[SEP]", "ab [MASK] ab", "[sep]", "", "abc"], max_length=5)
def test_equals_the_library(name, texts, max_length):
    _assert_equal_to_library(_tokenizer(max_length, normalizer=normalizers.BertNormalizer(**NORMALIZERS[name])), texts)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=st.lists(st.text(st.sampled_from("xyXY ab.\x00"), max_size=12), min_size=1, max_size=9))
@example(texts=["x\x00y", "xy", "XY", "axyb", "ab"])
def test_added_tokens_without_punctuation_are_seen_in_the_raw_text_alone(texts):
    _assert_equal_to_library(_tokenizer(9, added=["xy"]), texts)


def test_what_it_remembers_changes_nothing(monkeypatch):
    tokenizer = _tokenizer(8)
    fast = FastTokenizer(tokenizer, 8)
    texts = [f"ab{letter} unaffable, {letter}{letter}?" for letter in string.ascii_letters]
    for block in (texts, texts[::-1], ["new words", *texts[:3]], ["ab"]):
        _assert_equal_to_library(tokenizer, block, fast)
    monkeypatch.setattr(fast_tokenizer, "WORDS_KEPT", 1)
    forgets = FastTokenizer(tokenizer, 8)
    for block in (texts, ["ab abc"], texts[:5]):
        _assert_equal_to_library(tokenizer, block, forgets)
    assert len(forgets._words._numbers) < len(fast._words._numbers)


def test_the_library_is_asked_once_about_a_word():
    fast = FastTokenizer(_tokenizer(20), 20)
    fast.encode(["ab abc, é ab", "abc é"])
    words = set(fast._words._numbers)
    fast.encode(["é abc ab ,"])
    assert set(fast._words._numbers) == words == {b"\xff", b"ab", b"abc", b",", "é".encode()}


def test_several_special_tokens_on_either_side():
    template = processors.TemplateProcessing(
        single="[CLS] [MASK] $A [SEP] [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)]
    )
    for max_length in (5, 6, 30):
        tokenizer = _tokenizer(max_length, post_processor=template)
        _assert_equal_to_library(tokenizer, ["ab abc a b c d e", "", "a", "ab " * 30])


def test_no_texts_give_no_rows():
    for tokenizer in (_tokenizer(9), Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))):
        rows = FastTokenizer(tokenizer, 9).encode([])
        assert (rows.ids.tolist(), rows.lengths.tolist()) == ([], [])


def _byte_level():
    tokenizer = _tokenizer(9)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    return tokenizer


def _without_truncation():
    tokenizer = _tokenizer(9)
    tokenizer.no_truncation()
    return tokenizer


def _truncated_on_the_left():
    tokenizer = _tokenizer(9)
    tokenizer.enable_truncation(9, direction="left")
    return tokenizer


UNFIT = {
    "pre-tokenizer": _byte_level,
    "truncation": _without_truncation,
    "direction": _truncated_on_the_left,
    "normalizer": lambda: _tokenizer(9, normalizer=normalizers.Lowercase()),
    "clean_text": lambda: _tokenizer(9, normalizer=normalizers.BertNormalizer(clean_text=False)),
    "model": lambda: _tokenizer(9, model=models.WordLevel({"[UNK]": 0, "ab": 1}, unk_token="[UNK]")),
    "added token": lambda: _tokenizer(9, added=[AddedToken("é", normalized=True)]),
    "post-processor": lambda: _tokenizer(9, post_processor=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))),
    "no room": lambda: _tokenizer(2),
}


@pytest.mark.parametrize("what", UNFIT)
def test_any_other_tokenizer_is_left_to_the_library(what):
    tokenizer = UNFIT[what]()
    fast = FastTokenizer(tokenizer, 2 if what == "no room" else 9)
    assert not fast.is_fast
    texts = ["ab abc é [SEP]", "", "AB\x0bc d e f g h"]
    rows = fast.encode(texts)
    assert rows.ids.tolist() == [token for encoding in tokenizer.encode_batch(texts) for token in encoding.ids]
    assert rows.lengths.tolist() == [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def test_rows_are_padded_and_taken():
    rows = TokenRows(np.array([5, 6, 7, 8], np.int32), np.array([1, 0, 3]))
    assert rows.padded(4, 9).tolist() == [[5, 9, 9, 9], [9, 9, 9, 9], [6, 7, 8, 9]]
    taken = rows.take(np.array([2, 1, 0, 2]))
    assert taken.ids.tolist() == [6, 7, 8, 5, 6, 7, 8]
    assert taken.lengths.tolist() == [3, 0, 1, 3]
