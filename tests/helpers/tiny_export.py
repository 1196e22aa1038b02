"""A tiny export folder that the tests make themselves: a learnable language, a tokenizer, a teacher that knows it."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from distill_jax.data.ragged import Ragged
from distill_jax.export.format import LEARNT_SPLITS, Manifest, Part
from distill_jax.export.writer import ExportWriter

LABEL_NAMES = ("bad", "fair", "good")
WORDS = 60
PAD_ID = 0
MAX_LENGTH = 24


def tiny_tokenizer() -> Tokenizer:
    """Return a tokenizer of the words w0 … w59 with [PAD], [UNK], [CLS], [SEP] before them."""
    vocab = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
    vocab |= {f"w{index}": index + 4 for index in range(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def tiny_texts(rows: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Return texts and labels: word i speaks for class i mod 3, and each text has mostly words of its class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(LABEL_NAMES), rows)
    texts = []
    for label in labels:
        length = rng.integers(1, MAX_LENGTH - 3)
        words = rng.integers(0, WORDS, length)
        own = rng.random(length) < 0.6
        words[own] = words[own] // 3 * 3 % WORDS + label
        texts.append(" ".join(f"w{word}" for word in words))
    return texts, labels.astype(np.int32)


def tiny_part(rows: int, seed: int, first_id: int, hint_width: int = 0) -> Part:
    """Return a part of such texts, with a teacher that counts words; its hints say a word and the one before it."""
    texts, labels = tiny_texts(rows, seed)
    encodings = tiny_tokenizer().encode_batch_fast(texts)
    ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
    votes = [np.bincount((row[1:-1] - 4) % 3, minlength=3) for row in ids]
    logits = np.array([2.0 * vote / vote.sum() for vote in votes], np.float32)
    table = np.random.default_rng(0).normal(0, 10, (WORDS + 4, hint_width))
    hints = np.concatenate([table[row] + table[np.roll(row, 1)] for row in ids]).round().astype(np.int8)
    return Part(
        example_ids=np.arange(first_id, first_id + rows, dtype=np.int64),
        tokens=Ragged.of(ids),
        labels=labels,
        teacher_logits=logits,
        hints=hints if hint_width else None,
    )


def tiny_header(hint_width: int = 0) -> Manifest:
    """Return the manifest of such an export, without parts."""
    return Manifest(
        label_names=LABEL_NAMES,
        vocab_size=WORDS + 4,
        pad_id=PAD_ID,
        max_length=MAX_LENGTH,
        teacher={"name": "word counter", "fingerprint": "0" * 64, "test_accuracy": 0.9},
        config={"dataset": "tiny", "seed": 0, **({"hint_width": hint_width} if hint_width else {})},
        splits={},
    )


def write_tiny_export(
    folder: Path,
    train_rows: int = 330,
    test_rows: int = 90,
    part_rows: int = 200,
    transfer_rows: int = 0,
    validation_rows: int = 0,
    hint_width: int = 0,
) -> Path:
    """Write the export folder and return it."""
    writer = ExportWriter(folder, tiny_header(hint_width))
    first_id, counts = 0, {}
    sizes = {"train": train_rows, "test": test_rows, "transfer": transfer_rows, "validation": validation_rows}
    for seed, (split, rows) in enumerate(sizes.items(), start=1):
        if not rows:
            continue
        counts[split] = -(-rows // part_rows)
        for index in range(counts[split]):
            size = min(part_rows, rows - index * part_rows)
            width = hint_width if split in LEARNT_SPLITS else 0
            writer.write(split, index, tiny_part(size, 10 * seed + index, first_id, width))
            first_id += size
    writer.write_tokenizer(tiny_tokenizer().to_str())
    table = np.random.default_rng(0).normal(size=(WORDS + 4, 8))
    writer.write_token_embeddings(table)
    writer.finish(counts, writer.header.teacher)
    return folder
