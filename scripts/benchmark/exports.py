"""Made-up export folders and texts of any size, written part by part, so that they need little memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.export.format import Manifest, Part
from distill_jax.export.writer import ExportWriter
from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, draw_lengths

if TYPE_CHECKING:
    from tokenizers import Tokenizer


LABEL_NAMES = tuple(f"class {index}" for index in range(CLASSES))
_PART_ROWS = 16_384
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_TABLE_WIDTH = 8
_ODD = 0x9E3779B97F4A7C15


def text_blocks(
    language: Language, rows: int, length: int, mean_length: float | None, seed: int
) -> Iterator[tuple[Ragged, np.ndarray]]:
    """Yield the tokens and the labels, int32 [n], of some thousand rows at a time."""
    for index, start in enumerate(range(0, rows, _PART_ROWS)):
        rng = np.random.default_rng([seed, index])
        count = min(_PART_ROWS, rows - start)
        lengths = draw_lengths(count, length, mean_length, rng)
        labels = rng.integers(0, CLASSES, count).astype(np.int32)
        yield Ragged(language.draw(int(lengths.sum()), rng, np.repeat(labels, lengths)), lengths), labels


def write_export(
    folder: Path, language: Language, *, train: int, test: int, length: int, mean_length: float | None
) -> Path:
    """Write an export folder of made-up rows, with a teacher that knows the classes but for some noise."""
    writer = ExportWriter(
        folder,
        Manifest(
            label_names=LABEL_NAMES,
            vocab_size=language.vocab_size,
            pad_id=PAD_ID,
            max_length=length,
            teacher={"name": "made up", "fingerprint": "0" * 64, "test_accuracy": None},
            config={"dataset": "made up", "train": train, "test": test, "seed": language.seed},
            splits={},
        ),
    )
    counts, first = {}, 0
    for seed, (split, rows) in enumerate({"train": train, "test": test}.items(), start=1):
        blocks = text_blocks(language, rows, length, mean_length, seed)
        for index, (tokens, labels) in enumerate(blocks):
            noise = np.random.default_rng([seed, index, 1]).normal(size=(len(labels), CLASSES))
            logits = (2 * np.eye(CLASSES)[labels] + noise).astype(np.float32)
            ids = sparse_ids(first, len(labels))
            writer.write(split, index, Part(ids, tokens, labels, logits))
            first += len(labels)
            counts[split] = index + 1
    writer.write_tokenizer(word_tokenizer(language.vocab_size).to_str())
    writer.write_token_embeddings(np.zeros((language.vocab_size, _TABLE_WIDTH)))
    writer.finish(counts, writer.header.teacher)
    return folder


def sparse_ids(first: int, count: int) -> np.ndarray:
    """Return different ids, int64 [count], in no order and far apart, as rows drawn from a large source have them.

    Equal ``first`` and ``count`` give equal ids; ranges that do not meet give ids that do not.
    """
    numbers = np.arange(first, first + count, dtype=np.uint64)
    # An odd factor permutes the numbers below 2^62.
    return (numbers * np.uint64(_ODD) & np.uint64(2**62 - 1)).astype(np.int64)


def word_tokenizer(vocab_size: int) -> "Tokenizer":
    """Return a BERT-like tokenizer of ``vocab_size`` pieces: four special ones and the words ``w4``, ``w5``, …."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocab = {token: index for index, token in enumerate(_SPECIAL)}
    vocab |= {f"w{index}": index for index in range(len(_SPECIAL), vocab_size)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))  # noqa: S106 - a token's name
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def write_texts(path: Path, language: Language, rows: int, mean_length: float, length: int, *, table: bool) -> Path:
    """Write made-up texts, one a line; with ``table``, as a CSV file of the columns ``text`` and ``label``."""
    with path.open("w", encoding="utf-8") as stream:
        if table:
            stream.write("text,label\n")
        for tokens, labels in text_blocks(language, rows, length, mean_length, seed=3):
            words = [f"w{token}" for token in np.maximum(tokens.ids, len(_SPECIAL)).tolist()]
            bounds = [0, *tokens.stops.tolist()]
            for row, label in enumerate(labels.tolist()):
                text = " ".join(words[bounds[row] : bounds[row + 1]])
                stream.write(f"{text},{LABEL_NAMES[label]}\n" if table else text + "\n")
    return path
