"""Packed students with made parameters, and a BERT-style tokenizer with words of several languages."""

import string

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from distill_jax.packed.coding import quantised
from distill_jax.packed.student import PackedStudent
from distill_jax.students.registry import student_config

NAMES = ("bad", "fair", "good")
LENGTH = 24
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    "the",
    "film",
    "##ing",
    "un",
    "##aff",
    "##able",
    "not",
    "good",
    "bad",
    "istanbul",
    "cafe",
    "über",
    "##é",
    "日",
    "本",
)
OPTIONS = {
    "fasttext": {"embedding_dim": 6, "ngrams": 3, "buckets": 500, "mask_padding": True},
    "fasttext as the notebook": {"embedding_dim": 6},
    "dan": {"embedding_dim": 6, "ngrams": 3, "buckets": 500, "hidden": 7, "length_power": 0.75},
    "cnn": {"embedding_dim": 6, "filters": 5, "filter_heights": (3, 1, 2), "mask_padding": True},
    "cnn as the notebook": {"embedding_dim": 6, "filters": 5},
    "bilstm": {"embedding_dim": 6, "hidden": 5, "dense": 4},
    "bilstm with last states": {"embedding_dim": 6, "hidden": 5, "dense": 4, "states": "last"},
}


def page_tokenizer_of(**normalizing) -> Tokenizer:
    """Return a tokenizer of these words, of the ASCII characters, and of more characters of other kinds."""
    single = [*string.ascii_lowercase, *string.digits, *string.punctuation, *"éèßİıσςǆñ…—¿€😀한글"]
    words = [*SPECIAL, *WORDS, *single, *(f"##{character}" for character in single)]
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=12))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(**normalizing), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def page_student(kind, *, names=NAMES, decision=None, tokenizer=None, seed=0, length=LENGTH, **sizes) -> PackedStudent:
    """Return a student of ``OPTIONS`` with random parameters: its table quantised, of which half the rows are kept."""
    tokenizer = tokenizer or page_tokenizer_of()
    options = {**OPTIONS[kind], **sizes}
    config = student_config(kind.split()[0], vocab_size=tokenizer.get_vocab_size(), num_labels=len(names), **options)
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, (shape, _) in config.parameter_layout().items():
        values = rng.normal(0, 1, shape).astype(np.float32)
        arrays[name] = values
        if name in config.tables:
            kept = rng.random(shape[0]) < 0.5
            groups = rng.integers(0, 2, kept.sum())
            arrays[name] = quantised(values[kept], (0.02, 0.004), groups, kept)
    return PackedStudent(tuple(names), config, arrays, tokenizer.to_str(), length, decision or {})
