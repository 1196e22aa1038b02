"""What the tokenizers library throws while it tokenizes is one sentence, a panic (no ``Exception``) too."""

import pytest

from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError


class PanicException(BaseException):
    """What Rust's panics are."""


class Broken:
    """A tokenizer of the library that cannot tokenize."""

    truncation = None

    normalizer = pre_tokenizer = model = post_processor = None

    def __init__(self, error):
        self.error = error

    def get_added_tokens_decoder(self):
        return {}

    def encode_batch_fast(self, texts):
        raise self.error


@pytest.mark.parametrize("error", [PanicException("unwrap on None"), Exception("no unknown token")])
def test_what_the_library_throws_is_a_sentence(error):
    with pytest.raises(InputError, match=f"it cannot tokenize one of 1 texts .{error}"):
        FastTokenizer(Broken(error), 8).encode(["a text"])


def test_an_interruption_is_let_through():
    with pytest.raises(KeyboardInterrupt):
        FastTokenizer(Broken(KeyboardInterrupt()), 8).encode(["a text"])
