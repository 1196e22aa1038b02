"""One part of an export: texts → tokens → logits; and what an export is, before it has parts."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from distill_jax.export.format import HINT_DIRECTIONS, TOKEN_EMBEDDINGS, Manifest, Part
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
    if writer.knows_shared_arrays:
        return
    found = teacher.token_states()
    writer.write_token_embeddings(found.table)
    if found.hint_directions is not None:
        writer.write_hint_directions(found.hint_directions)


def give_shared_arrays(writer: ExportWriter, teacher: RowLabeller) -> None:
    """Give a teacher that keeps hints what they are made by.

    Raises:
        InputError: an array that lies there is not the export's.
    """
    if writer.header.hint_width:
        teacher.keep_hints(*(writer.read_shared_array(name) for name in (TOKEN_EMBEDDINGS, HINT_DIRECTIONS)))


def part_words(split: str, index: int) -> str:
    """Return what names a part's rows in messages."""
    return f"split {split}, part {index}, "


def compute_part(
    teacher: RowLabeller,
    split: "Split",
    rows: slice,
    where: str,
    advance: Callable[[int], object] = lambda _: None,
    *,
    are_learnt: bool = False,
) -> Part:
    """Return the part of some rows; its bytes depend on nothing else.

    Args:
        teacher: labels them.
        split: has them.
        rows: which of them.
        where: names them in messages, as ``part_words`` does.
        advance: is called with the number of rows done since its last call.
        are_learnt: whether students learn from them.
    """
    tokens = teacher.encode(split.texts[rows])
    said = teacher.answers(RowsAsked(split, rows, tokens, where, are_learnt), advance)
    weights = None if split.weights is None else split.weights[rows]
    return Part(split.example_ids[rows], tokens, split.labels[rows], said.logits, weights, said.hints)
