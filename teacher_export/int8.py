"""``python -m teacher_export.int8 FOLDER``: a fine-tuned teacher with weights of eight bits, in ONNX Runtime.

What a user might ship in a student's place; ``python -m distill_jax.choose --teacher`` measures it. Standard input has
a JSON object: ``texts`` to answer, ``timed``, how many of them time is measured with, ``label_names``, ``columns``, the
teacher's column of each (none: they are matched by name), and ``max_length``, the tokens that the teacher reads.
Standard output gets one: ``logits`` [texts, classes], ``bytes`` of graph and tokenizer, ``p50_ms``, ``p99_ms``,
``texts_per_second``.
"""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax.choosing.timing import latencies, texts_per_second
from distill_jax.console import run_command
from distill_jax.errors import InputError
from distill_jax.extras import require_packages

_WHAT = "the teacher in int8"


def main() -> None:
    """Read what to answer, measure, write."""
    require_packages("torch", "transformers", "onnx", "onnxruntime", what=_WHAT)
    asked = json.load(sys.stdin)
    with _nothing_printed() as answer:
        answer.write(json.dumps(measured(Path(sys.argv[1]), asked)))


def measured(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``main`` writes.

    Args:
        folder: the teacher's.
        asked: what ``main`` reads.

    Raises:
        InputError: the folder has no trained teacher of these classes, or no graph of it can be written.
    """
    from teacher_export.options.teacher import TeacherConfig
    from teacher_export.teacher.label_matching import match_labels
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.onnx_engine import OnnxTeacher, fastest, in_int8
    from teacher_export.teacher.source import resolve_teacher
    from teacher_export.teacher.tokens import encode

    names, texts = tuple(asked["label_names"]), list(asked["texts"])
    teacher = load_teacher(resolve_teacher(TeacherConfig(str(folder))), names, asked["max_length"], 0)
    if not teacher.has_trained_head:
        raise InputError(f"teacher {folder}: expected a fine-tuned one, found none that has learnt classes")
    columns = asked["columns"] or match_labels(teacher.class_names, names, ()).columns
    with tempfile.TemporaryDirectory() as graphs:
        tokens = encode(teacher.tokenizer, texts)
        _, path, _ = fastest(teacher.model, tokens, teacher.fill_id, Path(graphs))
        quantised = in_int8(path)
        engine, size = OnnxTeacher(quantised, teacher.model, teacher.fill_id), quantised.stat().st_size

        def answers(given: list[str]) -> np.ndarray:
            return engine(encode(teacher.tokenizer, given))[:, columns]

        timed = texts[: asked["timed"]]
        p50, p99 = latencies(answers, timed)
        return {
            "logits": answers(texts).tolist(),
            "bytes": size + len(teacher.tokenizer.to_str().encode()),
            "p50_ms": p50,
            "p99_ms": p99,
            "texts_per_second": texts_per_second(answers, timed),
        }


@contextlib.contextmanager
def _nothing_printed() -> Iterator[Any]:
    """Give what writes to standard output, to which nothing else does: exporters print of themselves."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        yield answer


if __name__ == "__main__":
    run_command(main)
