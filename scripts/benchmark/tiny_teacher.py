"""``python -m scripts.benchmark.tiny_teacher FOLDER VOCABULARY LENGTH``: a DistilBERT so small that all else shows."""

import sys
from pathlib import Path

from scripts.benchmark.exports import LABEL_NAMES, word_tokenizer


def save_tiny_teacher(folder: Path, vocab_size: int, length: int, *, head: bool = True) -> None:
    """Save a sequence classifier of one layer, 16 wide, and a tokenizer of made-up words; a bare encoder if no head."""
    import torch
    from transformers import (
        DistilBertConfig,
        DistilBertForSequenceClassification,
        DistilBertModel,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(0)
    names = dict(enumerate(LABEL_NAMES))
    config = DistilBertConfig(
        vocab_size=vocab_size,
        max_position_embeddings=length,
        n_layers=1,
        n_heads=2,
        dim=16,
        hidden_dim=32,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    (DistilBertForSequenceClassification if head else DistilBertModel)(config).save_pretrained(folder)
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = word_tokenizer(vocab_size)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=length, **special).save_pretrained(folder)


if __name__ == "__main__":
    save_tiny_teacher(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
