"""Loaders of tokenizers, of windows of long texts, and of tables of embeddings."""

import random
from pathlib import Path

import numpy as np

from scripts.fuzz import corpus
from scripts.fuzz.loaders.loader import TEXTS, Loader, require
from scripts.fuzz.mutations.values import HOSTILE_TEXTS
from scripts.trials.inputs import ENCODER


def _tokenizer(path: Path, _: random.Random) -> None:
    from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer, require_ids_below

    tokenizer = load_tokenizer(path, corpus.LENGTH)
    require_ids_below(100_000, tokenizer, path, "config.json")
    rows = FastTokenizer(tokenizer, corpus.LENGTH).encode(TEXTS)
    require(len(rows) == len(TEXTS) and bool((rows.lengths <= corpus.LENGTH).all()), "rows of another length")
    require(bool(((rows.ids >= 0) & (rows.ids < 100_000)).all()), "token ids beyond the vocabulary")
    library = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    require([row.tolist() for row in np.split(rows.ids, rows.stops[:-1])] == library, "other ids than the library's")


def _vectors(path: Path, _: random.Random) -> None:
    from distill_jax.training.start_embeddings import read_word2vec, table_of_tokens

    tokens = {word: index for index, word in enumerate(corpus.WORDS)}
    vectors = read_word2vec(path, corpus.WIDTH, tokens)
    table, _known = table_of_tokens(vectors, tokens, 100, corpus.WIDTH)
    require(bool(np.isfinite(table).all()), "vectors that are not finite")


def _windows(path: Path, draw: random.Random) -> None:
    from distill_jax.data.tokenizer import load_tokenizer, require_ids_below
    from teacher_export.teacher.tokens import encode
    from teacher_export.teacher.windows import WindowReader, cut_at

    length = draw.choice((4, 5, 8, corpus.LENGTH, 300))
    loaded = load_tokenizer(path, corpus.LENGTH)
    require_ids_below(100_000, loaded, path, "config.json")
    tokenizer = cut_at(loaded, length)
    texts = [*TEXTS, *draw.choices([text for text in HOSTILE_TEXTS if "\ud800" not in text], k=3)]
    reader = WindowReader.of(tokenizer, length, draw.choice((0, 1, length // 4, length // 2)))
    tokens, counts, _ = reader.read(texts)
    require(len(counts) == len(texts) and int(counts.min()) >= 1, "a text without a window")
    require(int(counts.sum()) == len(tokens) and int(tokens.lengths.max()) <= length, "windows of another length")
    cut = encode(tokenizer, texts)
    for row, first in enumerate((np.cumsum(counts) - counts).tolist()):
        seen, whole = (found.ids[found.starts[at] : found.stops[at]] for found, at in ((tokens, first), (cut, row)))
        require(np.array_equal(seen, whole), "a first window that is not the text's beginning")


def _embeddings(folder: Path, _: random.Random) -> None:
    from teacher_export.teacher.table_embeddings import embeddings_beside

    table = embeddings_beside(str(folder), 100)
    require(table is None or (len(table) == 100 and bool(np.isfinite(table).all())), "embeddings that are not finite")


LOADERS = (
    *(
        Loader(f"{kind}-{name}", f"{corpus.TOKENIZERS}/{name}.json", read)
        for kind, read in (("tokenizer", _tokenizer), ("windows", _windows))
        for name in ("wordpiece", "bpe", "unigram")
    ),
    Loader("vectors", corpus.VECTORS, _vectors),
    Loader("embeddings", ENCODER, _embeddings, ("model.safetensors",)),
)
