"""A packed student as ONNX and as StableHLO: are the answers NumPy's on a whole test split, and how fast are they?

``python -m scripts.model_answers FILE --export FOLDER`` converts the file, reads the models back from their bytes and
prints a line of JSON. ``taskset -c 0`` before it gives both sides of the speeds one processor. It needs the extras
``train``, ``onnx`` and ``test``.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.data.exports import Export
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.packed.student import PackedStudent, read_packed

BATCH, REPEATS = 64, 5

Answer = Callable[[Ragged], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to compare."""

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The packed student."""
    export: Path
    """The export whose test texts it answers."""


def measured(student: PackedStudent, tokens: Ragged) -> dict[str, Any]:
    """Return, for each form, its bytes, the rows with NumPy's answer, the largest difference of a logit, and its speed.

    Args:
        student: the student.
        tokens: the texts.
    """
    predictor = student.predictor()
    batches = [tokens.take(rows) for rows in _batches(tokens.lengths)]
    network = predictor.network
    expected = [network.start(batch, BATCH)() for batch in batches]
    answers = np.concatenate([predictor.task.answers(logits) for logits in expected])
    at_once = _speed(lambda batch: network.start(batch, BATCH)(), [tokens])["documents_per_second"]
    speed = _speed(lambda batch: network.start(batch, BATCH)(), batches)
    result: dict[str, Any] = {"rows": len(tokens), "numpy": {**speed, "all_at_once_per_second": at_once}}
    for name, (answer, size) in {"onnx": _onnx(student), "stablehlo": _stablehlo(student)}.items():
        found = [answer(batch) for batch in batches]
        same = np.concatenate([predictor.task.answers(logits) for logits in found]) == answers
        furthest = max(float(np.abs(one - other).max()) for one, other in zip(found, expected, strict=True))
        about = {"bytes": size, "same_answers": int(same.sum()), "largest_difference": furthest}
        result[name] = about | ({} if name == "stablehlo" else _speed(answer, batches))
    return result


def _onnx(student: PackedStudent) -> tuple[Answer, int]:
    import onnxruntime

    from distill_jax.conversion.onnx.converter import onnx_model

    model = onnx_model(student).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def answer(batch: Ragged) -> np.ndarray:
        ids = batch.padded(int(batch.lengths.max()), student.config.pad_id).astype(np.int64)
        return np.asarray(session.run(["logits"], {"input_ids": ids, "lengths": batch.lengths})[0])

    return answer, len(model)


def _stablehlo(student: PackedStudent) -> tuple[Answer, int]:
    from jax import export

    from distill_jax.conversion.stablehlo import exported

    content = exported(student).serialize()
    program = export.deserialize(bytearray(content))

    def answer(batch: Ragged) -> np.ndarray:  # of one length, or each one is compiled
        ids = batch.padded(student.max_length, student.config.pad_id)
        return np.asarray(program.call(ids, batch.lengths.astype(np.int32))[0])

    return answer, len(content)


def _batches(lengths: np.ndarray) -> Iterable[np.ndarray]:
    """Return rows of like length, 64 at a time."""
    order = np.argsort(lengths, kind="stable")
    return np.split(order, range(BATCH, len(order), BATCH))


def _speed(answer: Answer, batches: list[Ragged]) -> dict[str, float]:
    """Return documents/s by batches, the best of five passes, and the median milliseconds of a text alone."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        for batch in batches:
            answer(batch)
        seconds.append(time.perf_counter() - started)
    alone = []
    for batch in batches:
        text = batch.take(np.array([0]))
        answer(text)
        started = time.perf_counter()
        answer(text)
        alone.append(time.perf_counter() - started)
    rows = sum(len(batch) for batch in batches)
    return {"documents_per_second": round(rows / min(seconds)), "one_text_ms": round(1e3 * float(np.median(alone)), 3)}


def main(words: list[str] | None = None) -> None:
    """Compare, and print the result."""
    arguments = parse_options(Arguments, words, prog="python -m scripts.model_answers", description=__doc__ or "")
    student, export = read_packed(arguments.file), Export.open(arguments.export)
    spelling = FastTokenizer(export.load_tokenizer(), export.manifest.max_length)
    texts = spelling.decode(export.test.tokens, export.manifest.pad_id)
    say(json.dumps(measured(student, student.predictor().tokenizer.encode(texts))))


if __name__ == "__main__":
    run_command(main)
