"""One part of an export: texts → tokens → logits; and what an export is, before it has parts."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from distill_jax.export.format import Manifest, Part
from distill_jax.export.writer import ExportWriter
from teacher_export.teacher.labeller import Labeller, RowLabeller, RowsAsked

if TYPE_CHECKING:
    from teacher_export.data.dataset import Split


def header_of(teacher: Labeller, tokenizer_text: str) -> Manifest:
    """Return the manifest of an export to be, without parts.

    Args:
        teacher: whose export it is.
        tokenizer_text: its ``tokenizer.json``.
    """
    train = teacher.dataset.splits["train"]
    return Manifest(
        label_names=teacher.dataset.label_names,
        vocab_size=teacher.vocab_size,
        pad_id=teacher.pad_id,
        max_length=teacher.config.teacher.students_length,
        teacher={"name": teacher.name, "fingerprint": teacher.fingerprint},
        task=teacher.dataset.task.name,
        standardisation=teacher.dataset.task.standardisation(train.labels, train.teacher_logits),
        config=teacher.describe(hashlib.sha256(tokenizer_text.encode()).hexdigest()),
        splits={},
    )


def write_shared_files(writer: ExportWriter, teacher: Labeller, tokenizer_text: str) -> None:
    """Write what all parts share: the tokenizer; and what students' embeddings may start from, unless it is there."""
    writer.write_tokenizer(tokenizer_text)
    if not writer.knows_token_embeddings:
        writer.write_token_embeddings(teacher.token_embeddings())


def part_words(split: str, index: int) -> str:
    """Return what names a part's rows in messages."""
    return f"split {split}, part {index}, "


def compute_part(
    teacher: RowLabeller, split: "Split", rows: slice, where: str, advance: Callable[[int], object] = lambda _: None
) -> Part:
    """Return the part of some rows; its bytes depend on nothing else.

    Args:
        teacher: labels them.
        split: has them.
        rows: which of them.
        where: names them in messages, as ``part_words`` does.
        advance: is called with the number of rows done since its last call.
    """
    tokens = teacher.encode(split.texts[rows])
    logits = teacher.logits(RowsAsked(split, rows, tokens, where), advance)
    weights = None if split.weights is None else split.weights[rows]
    return Part(split.example_ids[rows], tokens, split.labels[rows], logits, weights)
