"""A page's own tokenizer makes of every text what the tokenizers library does."""

import itertools
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from page_students import LENGTH, SPECIAL, WORDS, page_student, page_tokenizer_of

_IDS = (
    "async (texts) => { const { tokenizer } = await student; return texts.map((text) => tokenizer.encode(text).ids); }"
)
_FLAGS = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
NORMALIZING = [dict(zip(_FLAGS, flags, strict=True)) for flags in itertools.product((True, False), repeat=4)]
TEXTS = [
    "",
    "The film is unaffable, not good!!!",
    "<img src=x onerror=alert(1)> &amp; </script>",
    "😀 👩‍👩‍👧 👍🏽 good",
    "日本film 你好，世界。㐀𠀀",
    "İstanbul ISTANBUL ıI ẞß ΣΑΣ ǅ",
    "cafe\u0301 café u\u0308ber über e\u0301\u0327\u0316",
    "a\x00b\tc\nd\re\x0bf\x0cg\x1ch\x7fi\x85j\xadk",
    "one\u00a0two\u2003three\u2028four\u3000five\u200bsix\ufeffseven\ufffdeight",
    "한글 \u1112\u1161\u11ab",
    "[CLS] good [SEP][MASK]film [mask] [UNK]",
    "x" * 12 + " " + "x" * 13,
    "good " * 50,
    "\ud83d alone \ude00",
    "don't--stop… “quoted” ¿que?",
]


def _ids(tokenizer, texts, length=LENGTH):
    tokenizer.enable_truncation(length, direction=(tokenizer.truncation or {}).get("direction", "right"))
    alone = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch(alone)]


@pytest.mark.parametrize("normalizing", NORMALIZING, ids=str)
def test_texts_of_all_kinds(open_page, normalizing):
    tokenizer = page_tokenizer_of(**normalizing)
    page = open_page(page_student("fasttext", tokenizer=tokenizer))
    assert page.evaluate(_IDS, TEXTS) == _ids(tokenizer, TEXTS)


def test_accents_go_where_letters_are_made_small_unless_it_is_said(open_page):
    for lowercase in (True, False):
        tokenizer = page_tokenizer_of(strip_accents=None, lowercase=lowercase)
        page = open_page(page_student("fasttext", tokenizer=tokenizer))
        assert page.evaluate(_IDS, TEXTS) == _ids(tokenizer, TEXTS)


def test_a_tokenizer_that_keeps_the_ends_of_texts(open_page):
    tokenizer = page_tokenizer_of()
    tokenizer.enable_truncation(LENGTH, direction="left")
    page = open_page(page_student("fasttext", tokenizer=tokenizer))
    assert page.evaluate(_IDS, TEXTS) == _ids(tokenizer, TEXTS)


def test_any_text(open_page):
    tokenizer = page_tokenizer_of()
    page = open_page(page_student("fasttext", tokenizer=tokenizer))
    pieces = st.sampled_from(
        [*SPECIAL, *WORDS, " ", "", "\u0301", "\u0327", "\u200d", "é", "İ", "😀", "日", "!", "\x00"]
    )
    texts = st.one_of(st.text(), st.lists(st.one_of(pieces, st.characters(codec="utf-8"))).map("".join))

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(texts, min_size=20, max_size=60))
    def hold(texts):
        assert page.evaluate(_IDS, texts) == _ids(tokenizer, texts)

    hold()


@pytest.mark.parametrize("normalizing", [{}, {"strip_accents": False, "lowercase": False}], ids=str)
def test_every_character(open_page, normalizing):
    tokenizer = page_tokenizer_of(**normalizing)
    page = open_page(page_student("fasttext", tokenizer=tokenizer))
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    plain = [character for character in characters if ord(character) < 0x3400 or 0xA000 <= ord(character) < 0xAC00]
    some = [*plain, *characters[0xF000:0x20000:3], *characters[0x20000::97]]
    texts = [f"a{character}b" for character in some]
    wrong = [
        hex(ord(character))
        for character, found, ids in zip(some, page.evaluate(_IDS, texts), _ids(tokenizer, texts), strict=True)
        if found != ids
    ]
    assert wrong == []
