"""The sides: our pass in a precision, and ONNX Runtime's in float32 or with weights of eight bits."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.benchmark.rows import Measurement, Turn
from scripts.families.catalogue import FAMILIES, LONGEST, PAD_ID, Size, build, made_up_tokens

if TYPE_CHECKING:
    from distill_jax.data.ragged import Ragged

_BATCH_SIZE = 32


def our_pass(teacher: str, size: Mapping[str, int], folder: str, precision: str) -> Turn:
    """Prepare the product's pass."""
    from teacher_export.teacher.logits import predict_logits

    model, tokens, pad_id = _teacher(teacher, Size(**size))
    options: dict[str, Any] = {"pad_id": pad_id, "batch_size": _BATCH_SIZE, "max_length": LONGEST}

    def logits() -> np.ndarray:
        return predict_logits(model, tokens, precision=precision, **options)

    return _turn(logits, Path(folder), {}, is_exact=precision == "float32")


def onnx_pass(teacher: str, size: Mapping[str, int], folder: str, *, int8: bool = False) -> Turn:
    """Prepare ONNX Runtime's pass, of the graph of whichever exporter is faster.

    Raises:
        InputError: there is none that reads the texts.
    """
    from teacher_export.teacher.onnx_engine import OnnxTeacher, fastest, in_int8

    model, tokens, pad_id = _teacher(teacher, Size(**size))
    with tempfile.TemporaryDirectory() as graphs:
        engine, path, notes = fastest(model, tokens, pad_id, Path(graphs))
        if int8:
            engine = OnnxTeacher(in_int8(path), model, pad_id)
    return _turn(lambda: engine(tokens), Path(folder), notes)


def _turn(logits: Callable[[], np.ndarray], folder: Path, notes: Mapping[str, str], *, is_exact: bool = False) -> Turn:
    """Return a turn whose notes compare its logits with our float32's, which that side leaves in the folder."""
    exact = folder / "exact.npy"

    def turn() -> Measurement:
        started = time.perf_counter()
        found = logits()
        seconds = time.perf_counter() - started
        if is_exact:
            np.save(exact, found)
        known = np.load(exact)
        difference = float(np.abs(found - known).max())
        agreement = float((found.argmax(axis=1) == known.argmax(axis=1)).mean())
        compared = {"largest_difference": difference, "argmax_agreement": agreement, "deviation": float(known.std())}
        return Measurement(len(found), seconds, {**compared, **notes})

    return turn


def _teacher(name: str, size: Size) -> "tuple[Any, Ragged, int]":
    """Return a model, its texts' tokens and its pad token: a family's, or a fine-tuned folder's on the demo's texts."""
    if name in FAMILIES:
        return build(name, size), made_up_tokens(size.texts), PAD_ID
    from scripts.benchmark.prediction import demo_texts
    from teacher_export.data.demo import LABEL_NAMES
    from teacher_export.options.teacher import TeacherConfig
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.source import resolve_teacher
    from teacher_export.teacher.tokens import encode

    loaded = load_teacher(resolve_teacher(TeacherConfig(name)), LABEL_NAMES, LONGEST, 0)
    return loaded.model, encode(loaded.tokenizer, demo_texts(size.texts)[0]), loaded.fill_id
