"""A tokenizer of texts' own words, for students that are taught without a teacher's."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from distill_jax.data.tokenizer import load_tokenizer
from distill_jax.errors import InputError

_PAD, _UNKNOWN, _START, _END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"


def word_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> tuple[Tokenizer, int]:
    """Return a tokenizer that knows the texts' most frequent words whole and spells the others, and its pad id.

    Args:
        texts: the training texts.
        vocab_size: words and letters to know, at most; all letters are known.
        max_length: tokens of a text, those that begin and end it included.
    """
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    vocabulary = _vocabulary(words, vocab_size)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    start, end = ((name, vocabulary[name]) for name in (_START, _END))
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{_START} $A {_END}", special_tokens=[start, end])
    tokenizer.enable_truncation(max_length)
    return tokenizer, vocabulary[_PAD]


def _vocabulary(words: Counter[str], vocab_size: int) -> dict[str, int]:
    # The library's trainer breaks ties at random; the frequent words whole, and letters for all others, suffice.
    letters = sorted({letter for word in words for letter in word})
    pieces = dict.fromkeys([_PAD, _UNKNOWN, _START, _END, *letters, *(f"##{letter}" for letter in letters)])
    for word in sorted(words, key=lambda word: (-words[word], word)):
        if len(pieces) >= vocab_size:
            break
        pieces[word] = None
    return {piece: id_ for id_, piece in enumerate(pieces)}


def tokenizer_of_file(path: Path, max_length: int) -> tuple[Tokenizer, int]:
    """Return the tokenizer of a ``tokenizer.json`` and its pad id.

    Raises:
        InputError: there is none, or it has no pad token.
    """
    tokenizer = load_tokenizer(path, max_length)
    pad_id = next((id_ for name in (_PAD, "<pad>") if (id_ := tokenizer.token_to_id(name)) is not None), None)
    if pad_id is None:
        raise InputError(f"tokenizer {path}: expected a token {_PAD} or <pad>, found none")
    return tokenizer, pad_id
