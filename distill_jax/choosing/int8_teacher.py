"""The teacher with weights of eight bits in ONNX Runtime, as the other half measures it in a process of its own."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill_jax.choosing.candidate import Cost
from distill_jax.choosing.own_process import run_measurement
from distill_jax.data.exports import Export
from distill_jax.errors import InputError

_SECONDS = 1_800


@dataclasses.dataclass(frozen=True, eq=False)
class Int8Teacher:
    """What was measured.

    Attributes:
        logits: its answers, float64 [texts, classes].
        cost: the graph's bytes with the tokenizer's, and its times; its process has PyTorch too, so no memory.
    """

    logits: np.ndarray
    cost: Cost


def int8_teacher(folder: Path, export: Export, texts: Sequence[str], timed: int) -> Int8Teacher:
    """Quantise and measure a teacher.

    Args:
        folder: the fine-tuned teacher's.
        export: what it has answered; its classes, and where the teacher has them.
        texts: what it is asked.
        timed: with how many of them time is measured.

    Raises:
        InputError: an extra is missing, the folder holds no such teacher, ONNX cannot say it, or it took more than half
            an hour.
    """
    manifest = export.manifest
    asked = {
        "texts": list(texts),
        "timed": timed,
        "label_names": list(export.label_names),
        "columns": manifest.config.get("columns"),
        "max_length": manifest.max_length,
    }
    done = run_measurement("teacher_export.int8", folder, asked, _SECONDS)
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("error: ")
        raise InputError(words)
    found = json.loads(done.stdout)
    return Int8Teacher(np.array(found.pop("logits"), np.float64), Cost(**found))
