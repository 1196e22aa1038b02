"""Runs that can be packed: of an export with WordPiece tokens, a validation split and a transfer set."""

import dataclasses
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from distill_jax.config import TrainConfig
from distill_jax.export.writer import ExportWriter
from distill_jax.training.run import TrainRun, train_run
from tiny_export import WORDS, tiny_header, tiny_part

UNSEEN = ("film", "##ing")  # in the vocabulary, and in no text
STUDENTS = {
    "fasttext": {"ngrams": 2, "buckets": 300, "mask_padding": True, "embedding_dim": 8},
    "dan": {"ngrams": 2, "buckets": 300, "embedding_dim": 8, "hidden": 6, "ngram_dropout": 0.3},
    "cnn": {"mask_padding": True, "embedding_dim": 12, "filters": 8},
    "bilstm": {"embedding_dim": 12, "hidden": 10, "dense": 8},
}
_ROWS = {"train": 400, "validation": 160, "transfer": 300, "test": 200}


def packable_tokenizer() -> Tokenizer:
    """Return the tiny tokenizer's words as a BERT's, with letters and with two pieces that no text has."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{index}" for index in range(WORDS)), *UNSEEN, "f", "##i", "##l"]
    tokenizer = Tokenizer(WordPiece({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer


def write_packable_export(folder: Path) -> Path:
    """Write the export folder and return it."""
    header = dataclasses.replace(tiny_header(), vocab_size=len(packable_tokenizer().get_vocab()))
    writer, first = ExportWriter(folder, header), 0
    for seed, (split, rows) in enumerate(_ROWS.items(), start=1):
        part = tiny_part(rows, seed, first)
        if split == "transfer":
            part = dataclasses.replace(part, labels=np.full(rows, -1, np.int32))
        writer.write(split, 0, part)
        first += rows
    writer.write_tokenizer(packable_tokenizer().to_str())
    writer.finish(dict.fromkeys(_ROWS, 1), writer.header.teacher)
    return folder


def packable_runs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Return each student's run folder and its export, written below ``folder``."""
    export, runs = write_packable_export(folder / "export"), {}
    for name, options in STUDENTS.items():
        config = TrainConfig.notebook(name, distil=True, epochs=4, transfer=True)
        train_run(TrainRun(export, folder / name, config, options))
        runs[name] = (folder / name, export)
    return runs
