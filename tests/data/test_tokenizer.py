import copy
import pickle
import random
import string
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from distill_jax.data import tokenizer as fast_tokenizer
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
    blocks = (texts, texts[::-1], ["new words", *texts[:3]], ["ab"], texts[:5])
    for block in blocks:
        _assert_equal_to_library(tokenizer, block, fast)
    monkeypatch.setattr(fast_tokenizer, "WORDS_KEPT", 1)
    forgets = FastTokenizer(tokenizer, 8)
    for block in blocks:
        _assert_equal_to_library(tokenizer, block, forgets)


@pytest.mark.parametrize(("bound", "remembered"), [(None, True), ("WORDS_KEPT", False), ("BYTES_KEPT", False)])
def test_the_library_is_asked_once_about_a_word_unless_too_much_was_kept(monkeypatch, bound, remembered):
    if bound:
        monkeypatch.setattr(fast_tokenizer, bound, 2)
    tokenizer = _tokenizer(20)
    fast = FastTokenizer(tokenizer, 20)
    before = fast.encode(["abc ab é"]).ids.tolist()
    tokenizer.model.max_input_chars_per_word = 0  # from now on the library knows no word
    unknown = [2, 1, 1, 1, 3]
    assert fast.encode(["abc ab é"]).ids.tolist() == (before if remembered else unknown)
    assert fast.encode(["aff un abcd"]).ids.tolist() == unknown


@pytest.mark.parametrize("rows", [list, tuple, np.array, iter, lambda texts: pd.Series(texts, index=[3, 2, 1, 0])])
def test_texts_are_taken_in_their_order(rows):
    tokenizer = _tokenizer(9)
    texts = ["a b c", "ab [SEP]", "", "un aff"]
    expected = [token for encoding in tokenizer.encode_batch(texts) for token in encoding.ids]
    assert FastTokenizer(tokenizer, 9).encode(rows(texts)).ids.tolist() == expected


def _new_words(seed, texts):
    rng = random.Random(str(seed))
    return [
        " ".join("".join(rng.choices("abcdefn", k=rng.randrange(1, 5))) for _ in range(rng.randrange(9)))
        for _ in range(texts)
    ]


def test_threads_share_one(monkeypatch):
    monkeypatch.setattr(fast_tokenizer, "WORDS_KEPT", 300)  # so that it also forgets while others read
    tokenizer = _tokenizer(12)
    shared, started = FastTokenizer(tokenizer, 12), threading.Barrier(8)

    def work(seed):
        started.wait()
        return [shared.encode(_new_words((seed, request), 6)).ids.tolist() for request in range(60)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    for seed, requests in enumerate(found):
        for request, ids in enumerate(requests):
            texts = _new_words((seed, request), 6)
            assert ids == [token for encoding in tokenizer.encode_batch(texts) for token in encoding.ids]
    _assert_equal_to_library(tokenizer, _new_words(99, 200), shared)


def _interrupted(call, after):
    """Call, raise ``KeyboardInterrupt`` somewhere in the tokenizer's module; return whether it came to that.

    Places are lines and bytecodes; some releases of Python 3.12 report the lines alone.
    """
    left = after

    def trace(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename != fast_tokenizer.__file__:
            return None
        frame.f_trace_opcodes = True
        if event in {"line", "opcode"}:
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)
    return False


@pytest.mark.parametrize("kept", [fast_tokenizer.WORDS_KEPT, 2])
def test_it_is_whole_wherever_a_call_is_interrupted(monkeypatch, kept):
    monkeypatch.setattr(fast_tokenizer, "WORDS_KEPT", kept)
    tokenizer = _tokenizer(9)
    texts = ["abc un é", "[SEP] aff, ab", "d e"]
    places = 0
    while True:
        fast = FastTokenizer(tokenizer, 9)
        fast.encode(["a ab b"])
        if not _interrupted(lambda: fast.encode(texts), places):  # noqa: B023 - called at once
            break
        _assert_equal_to_library(tokenizer, ["ab d e f", *texts, "a b un aff"], fast)
        places += 1
    assert places > 50


def test_it_is_pickled_without_what_it_has_met():
    tokenizer = _tokenizer(9)
    fast = FastTokenizer(tokenizer, 9)
    before = len(pickle.dumps(fast))
    fast.encode(_new_words(0, 300))
    assert len(pickle.dumps(fast)) == before
    for other in (pickle.loads(pickle.dumps(fast)), copy.deepcopy(fast)):
        _assert_equal_to_library(tokenizer, ["ab [SEP] un", "a " * 30], other)


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
