"""A minute's measurement of this machine: the teacher's pass, the tokenizer, a student, the bytes of a row."""

import csv
import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.console import progress, say
from distill_jax.errors import InputError, MissingInputError
from distill_jax.files import read_json
from distill_jax.tasks.registry import task_named
from teacher_export.data.dataset import Split
from teacher_export.libraries import silence_libraries
from teacher_export.options.cost import CostOptions
from teacher_export.parts.compute import compute_part
from teacher_export.parts.plan import write_rows
from teacher_export.teacher.hardware import resolve_device, resolve_precision
from teacher_export.teacher.source import resolve_teacher
from teacher_export.teacher.transformer_rows import TransformerRows

if TYPE_CHECKING:
    from teacher_export.teacher.loading import Teacher

_FIRST, _MOST = 64, 4096  # rows of the first part measured, and of the largest
_TEXTS = 4096  # different texts
_SHARE = 0.6  # of the seconds, the teacher's; the student has the rest, and the tokenizer a tenth
_FEW = 2_000  # rows of a student's first run
_LONGEST_TEXT = 1 << 16  # characters that are read of a line


@dataclasses.dataclass(frozen=True)
class Rates:
    """What was measured, or given.

    Attributes:
        teacher: documents a second, from raw texts to logits; None = not asked.
        tokenizer: documents a second, of the teacher's tokenizer alone.
        student: documents a second, from a table to a table.
        tokens: mean tokens of a text, special ones included.
        part_bytes: bytes of a row in a part.
        plan_bytes: bytes of a row in a plan.
        how: how the teacher runs, in words.
        loading: seconds until the teacher was ready.
        part_seconds: what parts took, by the ratio to their mean.
    """

    teacher: float | None
    tokenizer: float | None
    student: float | None
    tokens: float | None
    part_bytes: float | None
    plan_bytes: float | None
    how: str
    loading: float
    part_seconds: tuple[float, ...] = (1.0,)


def measure(options: CostOptions) -> Rates:
    """Measure what the options do not give.

    Raises:
        InputError: the teacher, the student or the texts cannot be used.
    """
    rates = Rates(options.teacher_rate, None, options.student_rate, None, None, None, "as given", 0.0)
    texts = None if options.texts is None else _read_texts(options.texts)
    if options.timing is not None:
        rates = _read_timing(options.timing, rates)
    elif options.teacher_rate is None:
        start = time.perf_counter()
        rows, teacher = _load(options)
        loading = time.perf_counter() - start
        texts = texts or made_up_texts(teacher.tokenizer, options.tokens, options.seed)
        rates = _measure_teacher(rows, teacher, texts, options, loading)
    if options.student is not None and options.student_rate is None:
        if not options.student.is_file():
            raise MissingInputError(f"--student: expected a packed student {options.student}, found no file")
        if texts is None:
            raise InputError("--student with --teacher-rate: expected texts to label, got none; give --texts FILE")
        seconds = (1 - _SHARE) * options.seconds
        rates = dataclasses.replace(rates, student=_measure_student(options.student, texts, seconds))
    return rates


def _read_timing(path: Path, rates: Rates) -> Rates:
    found = read_json(path, "--timing")
    rate, seconds = found.get("teacher_documents_per_second"), found.get("part_seconds")
    seconds = seconds if isinstance(seconds, list) else []
    if not isinstance(rate, float) or not seconds or not all(isinstance(each, float) and each > 0 for each in seconds):
        raise InputError(f"--timing {path}: expected the timing.json of a planned export, got something else")
    mean = sum(seconds) / len(seconds)
    return dataclasses.replace(
        rates, teacher=rate, how=f"as in {path}", part_seconds=tuple(each / mean for each in seconds)
    )


def _read_texts(path: Path) -> list[str]:
    if not path.is_file():
        raise MissingInputError(f"--texts: expected a file {path}, found none")
    with path.open(encoding="utf-8", errors="replace") as stream:
        texts: list[str] = []
        while len(texts) < _TEXTS and (line := stream.readline(_LONGEST_TEXT)):
            if line.strip():
                texts.append(line.strip())
    if not texts:
        raise InputError(f"--texts {path}: expected texts, one a line, got none")
    return texts


def made_up_texts(tokenizer: Any, tokens: int, seed: int) -> list[str]:
    """Return texts of random tokens of a vocabulary; read back they have about as many.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``.
        tokens: how many, special ones not counted.
        seed: draws them.
    """
    drawn = np.random.default_rng(seed).integers(0, tokenizer.get_vocab_size(), (_TEXTS, tokens))
    return [text or "a" for text in tokenizer.decode_batch(drawn.tolist())]


def _load(options: CostOptions) -> "tuple[TransformerRows, Teacher]":
    """Return the teacher, ready to label rows; a head that it lacks is random, and as fast as a trained one."""
    from teacher_export.teacher.loading import load_teacher

    silence_libraries()
    asked = options.teacher
    names = tuple(f"class {number}" for number in range(options.classes if options.task != "score" else 1))
    teacher = load_teacher(resolve_teacher(asked), names, asked.max_length, options.seed, options.task)
    device = resolve_device(asked.device)
    rows = TransformerRows(
        asked,
        teacher,
        device=device,
        precision=resolve_precision(asked.precision, device),
        columns=range(teacher.model.config.num_labels),
    )
    rows.place_model()
    return rows, teacher


def _split_of(texts: Sequence[str], options: CostOptions, classes: int) -> Split:
    rows = len(texts)
    return Split(np.arange(rows), list(texts), task_named(options.task).unlabelled(rows, classes))


def _measure_teacher(
    rows: TransformerRows, teacher: "Teacher", texts: list[str], options: CostOptions, loading: float
) -> Rates:
    classes, count, done, spent = teacher.model.config.num_labels, _FIRST, 0, 0.0
    budget = _SHARE * options.seconds
    compute_part(rows, _split_of(texts[:8], options, classes), slice(0, 8), "probe, ")  # what is made once is made
    say(f"measuring the teacher {rows.how} for {budget:.0f} s at most")
    with progress(round(budget), "measuring", "s") as bar:
        while True:
            split = _split_of(repeated(texts, count), options, classes)
            start = time.perf_counter()
            part = compute_part(rows, split, slice(0, count), "probe, ")
            seconds = time.perf_counter() - start
            bar.update(round(seconds))
            spent, done = spent + seconds, done + 1
            # A part twice as large must fit into what is left.
            if count >= _MOST or spent + 2.2 * seconds > budget:
                break
            count *= 2
    arrays, tokens = part.arrays(), len(part.tokens.ids) / count
    with tempfile.TemporaryDirectory(prefix="distill-jax-cost-") as folder:
        write_rows(Path(folder), "train", 0, split)
        plan_bytes = next(Path(folder).rglob("*.npz")).stat().st_size / count
    return Rates(
        teacher=count / seconds,
        tokenizer=_rate_of(lambda: rows.encode(split.texts), count, options.seconds / 10),
        student=options.student_rate,
        tokens=tokens,
        part_bytes=sum(array.nbytes for array in arrays.values()) / count + options.teacher.hint_width * tokens,
        plan_bytes=plan_bytes,
        how=rows.how,
        loading=loading,
    )


def repeated(texts: Sequence[str], count: int) -> list[str]:
    """Return so many texts: these, and again from the first where they are fewer."""
    return [texts[number % len(texts)] for number in range(count)]


def _rate_of(body: Callable[[], object], rows: int, seconds: float) -> float:
    """Return rows a second of what takes so many each time: of as many times as there are seconds."""
    start, times = time.perf_counter(), 0
    while True:
        body()
        times += 1
        spent = time.perf_counter() - start
        if spent + spent / times > seconds:
            return rows * times / spent


def _measure_student(model: Path, texts: Sequence[str], seconds: float) -> float:
    """Return documents a second of the command that labels a table: of what more rows take more."""
    say(f"measuring the student for {seconds:.0f} s at most")
    with tempfile.TemporaryDirectory(prefix="distill-jax-cost-") as place:
        folder = Path(place)
        few = _label(model, texts, _FEW, folder)
        rows, start = _FEW, time.perf_counter()
        while True:
            rows *= 4
            took = _label(model, texts, rows, folder)
            # The beginning is in both; what is measured is to be longer than it.
            if took > 3 * few or time.perf_counter() - start + 5 * took > seconds:
                return (rows - _FEW) / max(took - few, 1e-9)


def _label(model: Path, texts: Sequence[str], rows: int, folder: Path) -> float:
    """Let the student label a table of so many rows; return the seconds."""
    table, output = folder / f"{rows}.csv", folder / f"{rows}-labelled.csv"
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text"])
        writer.writerows([text] for text in repeated(texts, rows))
    words = [str(table), "--text-column", "text", "--output", str(output), "--model", str(model.absolute())]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "distill_jax.predict", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"--student {model}: {done.stderr.strip().splitlines()[-1].removeprefix('error: ')}")
    return time.perf_counter() - start
