"""Run folders as training writes them, with numbers small enough to check by hand."""

import json

import numpy as np

from distill_jax.checksums import CHECKSUMS, record_files
from distill_jax.runs import config as run_config
from distill_jax.runs import folder as run_folder

LABEL_NAMES = ("bad", "fair", "good")
LABELS = (0, 0, 1, 1, 2, 2, 0, 1, 2, 0)
# the teacher is right on 8 of 10
TEACHER = (0, 0, 1, 1, 2, 2, 0, 1, 0, 1)
PLACE = {"device": "cpu", "machine": "a processor, 2 cores"}
SPEED = {"median": 10_000.0, "low": 9_000.0, "high": 11_000.0, "repeats": 5, **PLACE}
MODELS = {"cnn": "CNN", "fasttext": "Linear", "dan": "DAN", "ensemble": "Ensemble", "bilstm": "BiLSTM"}


def one_hot(classes, num_labels):
    return (3 * np.eye(num_labels)[list(classes)]).astype(np.float32)


def write_run(
    folder,
    predicted,
    *,
    student="cnn",
    distil=False,
    labels=LABELS,
    teacher=TEACHER,
    label_names=LABEL_NAMES,
    teacher_fields=None,
    train=None,
    shape=None,
    export_fields=None,
    metrics=None,
    f1=(0.3, 0.4),
    first_id=0,
    example_ids=None,
    model=None,
):
    """Write a run folder whose student predicts ``predicted``; return the folder."""
    folder.mkdir(parents=True)
    name = model or MODELS[student] + (" (distilled)" if distil else "")
    settings = {
        "student": student,
        "distil": distil,
        "alpha": 0.25 if distil else 0.0,
        "epochs": len(f1),
        "seed": 0,
        **(train or {}),
    }
    export = {
        "name": "tiny",
        "path": "exports/tiny",
        "label_names": list(label_names),
        "vocab_size": 100,
        "pad_id": 0,
        "max_length": 16,
        "fingerprint": "export-1",
        "teacher": {
            "name": "big",
            "fingerprint": "teacher-1",
            "test_accuracy": 0.8,
            "parameters": 2_000_000,
            "bytes": 8_000_000,
            "documents_per_second": 50.0,
            **PLACE,
            **(teacher_fields or {}),
        },
        **(export_fields or {}),
    }
    config = {
        "format_version": run_config.FORMAT_VERSION,
        "program": "distill-jax 0",
        "train": settings,
        "student": {"name": student, "num_labels": len(label_names), "embedding_dim": 50, **(shape or {})},
        "export": export,
    }
    (folder / run_folder.CONFIG).write_text(json.dumps(config))
    lines = [",".join(run_folder.HISTORY_COLUMNS)]
    lines += [f"{epoch},1.5,0.3,0.3,1.4,0.4,{value},{name}" for epoch, value in enumerate(f1)]
    (folder / run_folder.HISTORY).write_text("\n".join(lines) + "\n")
    known = [p == t for p, t in zip(predicted, labels, strict=True) if t >= 0]
    numbers = {
        "epochs_done": len(f1),
        "test_acc": sum(known) / max(len(known), 1),
        "parameters": 10_000,
        "bytes": 40_000,
        "train_seconds": 12.5,
        "raw_text_documents_per_second": SPEED,
        "device": "cpu",
        **(metrics or {}),
    }
    (folder / run_folder.METRICS).write_text(json.dumps(numbers))
    np.savez(
        folder / run_folder.TEST_PREDICTIONS,
        example_ids=np.array(range(first_id, first_id + len(labels)) if example_ids is None else example_ids, np.int64),
        logits=one_hot(predicted, len(label_names)),
        labels=np.array(labels, np.int32),
        teacher_logits=one_hot(teacher, len(label_names)),
    )
    record(folder)
    return folder


def record(folder):
    """Record a run folder's files as they are now, as the end of a training does."""
    names = (path.name for path in folder.iterdir() if path.is_file() and path.name != CHECKSUMS)
    (folder / CHECKSUMS).unlink(missing_ok=True)
    record_files(folder, *names)
