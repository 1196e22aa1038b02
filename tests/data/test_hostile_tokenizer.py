"""A tokenizer's file that panics, overflows or names tokens that the student has no row for is refused."""

import json

import pytest

from distill_jax.data import tokenizer_file as rules
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer, require_ids_below
from distill_jax.errors import InputError
from tiny_export import WORDS, tiny_tokenizer

VOCABULARY = WORDS + 4


def _special(*ids, tokens=("X",)):
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "X", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"X": {"id": "X", "ids": list(ids), "tokens": list(tokens)}},
    }


@pytest.fixture
def tokenizer_file(tmp_path):
    def write(**changes):
        content = json.loads(tiny_tokenizer().to_str())
        content["model"] |= changes.pop("model", {})
        path = tmp_path / "tokenizer.json"
        path.write_text(json.dumps({**content, **changes}))
        return path

    return write


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}},
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
        {"model": {"type": "none of them"}},
    ],
)
def test_one_that_panics_or_cannot_tokenize_is_one_sentence(tokenizer_file, changes):
    path = tokenizer_file(**changes)
    with pytest.raises(InputError, match=r"tokenizer .*tokenizer\.json: expected a file of the tokenizers library"):
        load_tokenizer(path, 24)


@pytest.mark.parametrize("text", ["nothing known", "w1 ☃"])
def test_one_without_an_unknown_token_tokenizes_what_it_knows_and_refuses_the_rest(tokenizer_file, text):
    path = tokenizer_file(model={"unk_token": "nope"})
    tokenizer = FastTokenizer(load_tokenizer(path, 24), 24)
    assert len(tokenizer.encode(["w1 w2"]).ids) == 4
    with pytest.raises(InputError, match="tokenizer: it cannot tokenize one of 1 texts"):
        tokenizer.encode([text])


@pytest.mark.parametrize("id_", [VOCABULARY, 2**31, 2**32 - 1])
def test_a_special_token_beyond_the_vocabulary_is_refused(tokenizer_file, id_):
    path = tokenizer_file(post_processor=_special(id_))
    with pytest.raises(InputError, match=f"expected ids below {VOCABULARY} .* got {id_} for"):
        require_ids_below(VOCABULARY, load_tokenizer(path, 24), path, "manifest.json")


@pytest.mark.parametrize(("ids", "tokens"), [((2, VOCABULARY), "X"), ((VOCABULARY,), "XY"), ((VOCABULARY,), "")])
def test_a_template_that_names_other_tokens_than_ids_hides_none_of_them(tokenizer_file, ids, tokens):
    path = tokenizer_file(post_processor=_special(*ids, tokens=tokens))
    with pytest.raises(InputError, match=f"expected ids below {VOCABULARY} .* got {VOCABULARY} for"):
        require_ids_below(VOCABULARY, load_tokenizer(path, 24), path, "manifest.json")


def test_more_special_tokens_than_a_text_may_have_are_refused(tokenizer_file):
    with pytest.raises(InputError, match="it adds 2 tokens to every text, more than the 1 "):
        load_tokenizer(tokenizer_file(), 1)


def _unigram(token):
    return {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], [token, -3.0]], "byte_fallback": False}


@pytest.mark.parametrize("token", ["a" + "[" * 200_000, '"' * 200_000, "\n" * 200_000])
def test_a_token_that_overflows_the_librarys_stack_is_refused_before_it_is_loaded(tokenizer_file, token):
    path = tokenizer_file(model=_unigram(token), added_tokens=[], post_processor=None)
    with pytest.raises(InputError, match=r"expected tokens of at most 10,000 characters, got one of 200,00\d"):
        load_tokenizer(path, 24)


def test_a_long_string_elsewhere_is_no_token(tokenizer_file):
    normalizer = {"type": "Replace", "pattern": {"String": "x" * 20_000}, "content": ""}
    assert load_tokenizer(tokenizer_file(normalizer=normalizer), 24).encode("w1").ids


def test_a_file_that_takes_too_much_memory_is_refused(tokenizer_file, monkeypatch):
    path = tokenizer_file()
    monkeypatch.setattr(rules, "MAX_FILE_BYTES", 1000)
    with pytest.raises(InputError, match=r"tokenizer\.json: expected at most 1,000 bytes, got "):
        load_tokenizer(path, 24)


def test_a_tokenizer_of_escaped_quotation_marks_alone_is_looked_through_once(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"vocab": {"' + '\\"' * 4_000_000 + '": 1}}}')
    with pytest.raises(InputError, match="expected tokens of at most 10,000 characters, got one of 4,000,000"):
        rules.read_tokenizer_file(path)
