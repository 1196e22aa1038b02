"""The teacher's pass: our export, whole, and the notebook's loop."""

import csv
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.benchmark.prediction import demo_texts
from scripts.benchmark.rows import Match, Measurement, Row, Side, Turn
from scripts.benchmark.sizes import Sizes

if TYPE_CHECKING:
    from teacher_export.options.teacher import PrecisionName


_NOTEBOOK_BATCH = 32
_MAX_LENGTH = 128
_EXACT = "teacher-float32.npy"


def export_texts(teacher: str, precision: "PrecisionName", folder: str, texts: int) -> Turn:
    """Prepare the export of demo texts; its time is what the export itself reports, from tokenizing to written parts.

    The notes hold the share of texts whose class is the one that float32 gives.
    """
    from distill_jax.files import read_json

    teacher = str(_without_memory(Path(teacher), Path(folder) / "teacher"))
    table = _write_table(Path(folder) / f"teacher-{precision}.csv", texts)
    output = Path(folder) / f"teacher-{precision}"
    exact = Path(folder) / _EXACT
    if not exact.exists():
        np.save(exact, _export(teacher, "float32", table, Path(folder) / "teacher-exact"))

    def turn() -> Measurement:
        started = time.perf_counter()
        logits = _export(teacher, precision, table, output)
        whole = time.perf_counter() - started
        timing = read_json(output / "timing.json", "timing")
        agreement = float((logits.argmax(axis=1) == np.load(exact).argmax(axis=1)).mean())
        notes = {"seconds_with_loading": whole, "argmax_agreement_with_float32": agreement}
        return Measurement(timing["documents"], timing["seconds"], notes)

    return turn


def _without_memory(teacher: Path, copy: Path) -> Path:
    """Return a copy of a fine-tuned teacher that does not know its training texts, and so can be timed on them.

    An export refuses to score a teacher on what it was trained on; here nothing is scored.
    """
    shutil.copytree(teacher, copy, ignore=shutil.ignore_patterns("finetuning.json", "training_*"), dirs_exist_ok=True)
    return copy


def _write_table(path: Path, texts: int) -> Path:
    from teacher_export.data.demo import LABEL_NAMES

    sentences, classes = demo_texts(texts)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows((text, LABEL_NAMES[code]) for text, code in zip(sentences, classes, strict=True))
    return path


def _export(teacher: str, precision: "PrecisionName", table: Path, output: Path) -> np.ndarray:
    """Export a table and return the logits in its rows' order, float32 [texts, classes]."""
    from distill_jax.export.format import read_manifest
    from distill_jax.export.reader import iterate_parts
    from teacher_export.config import ExportConfig, OutputConfig
    from teacher_export.export import run
    from teacher_export.options.data import DataConfig
    from teacher_export.options.teacher import TeacherConfig

    shutil.rmtree(output, ignore_errors=True)
    config = ExportConfig(
        data=DataConfig("table", (table,), ("text",), "label"),
        teacher=TeacherConfig(teacher, max_length=_MAX_LENGTH, precision=precision),
        output=OutputConfig(output),
    )
    run(config)
    manifest = read_manifest(output)
    parts = [part for split in ("train", "test") for part in iterate_parts(output, manifest, split)]
    order = np.argsort(np.concatenate([part.example_ids for part in parts]))
    logits: np.ndarray = np.concatenate([part.teacher_logits for part in parts])[order]
    return logits


def padded_loop(teacher: str, folder: str, texts: int, of: int) -> Turn:
    """Prepare the notebook's loop: every text padded to 128 tokens beforehand, batches of 32, float32.

    Args:
        teacher: the teacher's folder.
        folder: where the float32 export left its logits, to compare with.
        texts: texts to take.
        of: how many texts the export takes; these are the first of them.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    sentences = demo_texts(of)[0][:texts]
    tokenizer = AutoTokenizer.from_pretrained(teacher, trust_remote_code=False)
    encoded = tokenizer(sentences, padding="max_length", truncation=True, max_length=_MAX_LENGTH, return_tensors="pt")
    model: Any = AutoModelForSequenceClassification.from_pretrained(teacher, trust_remote_code=False).float().eval()

    def turn() -> Measurement:
        outputs = []
        started = time.perf_counter()
        with torch.no_grad():
            for start in range(0, len(sentences), _NOTEBOOK_BATCH):
                rows = slice(start, start + _NOTEBOOK_BATCH)
                batch = {"input_ids": encoded.input_ids[rows], "attention_mask": encoded.attention_mask[rows]}
                outputs.append(model(**batch).logits.numpy())
        seconds = time.perf_counter() - started
        exact = Path(folder) / _EXACT
        if not exact.exists():
            return Measurement(len(sentences), seconds)
        difference = np.abs(np.concatenate(outputs) - np.load(exact)[: len(sentences)]).max()
        return Measurement(len(sentences), seconds, {"largest_difference_from_our_float32": float(difference)})

    return turn


def _side(function: str, settings: dict[str, Any]) -> Side:
    return Side(f"scripts.benchmark.teacher:{function}", settings, packages=("torch", "transformers"))


def teacher_match(sizes: Sizes, folder: str, teacher: str, skip: str | None) -> Match:
    """Return the teacher's pass in float32 and bfloat16 against the notebook's loop."""
    settings = {"teacher": teacher, "folder": folder}
    ours = {**settings, "texts": sizes.teacher_texts}
    padded = {**settings, "texts": sizes.padded_texts, "of": sizes.teacher_texts}
    return Match(
        {
            "float32": _side("export_texts", {**ours, "precision": "float32"}),
            "bfloat16": _side("export_texts", {**ours, "precision": "bfloat16"}),
            "padded": _side("padded_loop", padded),
        },
        (
            Row(
                "teacher-float32",
                "teacher's pass, float32, against the notebook's loop",
                "documents",
                "float32",
                "padded",
                4.5,
                6,
            ),
            Row(
                "teacher-bfloat16",
                "teacher's pass, bfloat16, against the notebook's loop",
                "documents",
                "bfloat16",
                "padded",
                12,
                16,
            ),
        ),
        most_turns=3,
        skip=skip,
    )
