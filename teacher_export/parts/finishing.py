"""The end of an export: the teacher's scores over all parts, and the manifest."""

from typing import Any

from distill_jax.export.format import Manifest
from distill_jax.export.writer import ExportWriter
from teacher_export.summary import class_findings, read_answers, read_labels, score


def finish_export(
    writer: ExportWriter, counts: dict[str, int], *, figures: dict[str, Any], order_is_known: bool
) -> Manifest:
    """Score the teacher from the parts on the disk, whoever wrote them, and write the manifest.

    Args:
        writer: of the export, all of whose parts are written.
        counts: how many parts each split has.
        figures: what the manifest says of the teacher beside its scores.
        order_is_known: whether nobody need doubt which of its logits is which class's.

    Raises:
        InputError: an array that all parts share is not what was written.
    """
    header, folder, shared = writer.header, writer.folder, writer.shared_sha256s()
    task = header.labelling
    answers = {split: read_answers(folder, writer.parts(split, count), task) for split, count in counts.items()}
    answers = {split: answer for split, answer in answers.items() if len(answer[0])}
    scores = {split: score(*answer, task) for split, answer in answers.items()}
    teacher = {
        **header.teacher,
        "test_accuracy": scores.get("test", {}).get("accuracy"),
        "splits": scores,
        **figures,
        **shared,
        "warnings": [],
    }
    if task.has_classes:
        train = read_labels(folder, writer.parts("train", counts["train"]))
        teacher |= class_findings(train, answers, header.label_names, order_is_known=order_is_known)
    return writer.finish(counts, teacher)
