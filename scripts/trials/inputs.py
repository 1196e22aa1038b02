"""Tiny inputs: a table of made-up reviews, two teachers, an export."""

from pathlib import Path

from scripts.benchmark.exports import write_texts
from scripts.benchmark.synthetic import Language
from scripts.benchmark.tiny_teacher import save_tiny_teacher
from scripts.trials.processes import Command, answer_of, run

EXPORT, TEACHER, ENCODER, TABLE, TEXTS = "export", "teacher", "encoder", "reviews.csv", "texts.txt"
_VOCABULARY, _LENGTH, _ROWS, _WORDS = 80, 24, 90, 8
EXPORT_OPTIONS = (
    f"--dataset table --data ../inputs/{TABLE} --text-column text --label-column label --max-length {_LENGTH} "
    "--batch-size 16 --part-rows 24 --precision float32"
)
"""Of every export, seen from a folder beside that of the inputs."""


def write_inputs(folder: Path) -> None:
    """Write the inputs into ``folder/inputs``.

    Raises:
        RuntimeError: the export failed.
    """
    inputs = folder / "inputs"
    inputs.mkdir()
    language = Language(_VOCABULARY, _VOCABULARY - 10)
    write_texts(inputs / TABLE, language, _ROWS, _WORDS, _LENGTH, table=True)
    write_texts(inputs / TEXTS, language, 20, _WORDS, _LENGTH, table=False)
    answer_of(lambda: _save_teachers(inputs))  # torch must not compute in this process
    options = EXPORT_OPTIONS.replace("../inputs/", "")
    line = f"teacher_export {options} --teacher {TEACHER} --validation-fraction 0.25 --output {EXPORT}"
    ended = run(Command.of(line), inputs)
    if ended.status:
        raise RuntimeError(f"{line}: {ended}")


def _save_teachers(inputs: Path) -> None:
    save_tiny_teacher(inputs / TEACHER, _VOCABULARY, _LENGTH)
    save_tiny_teacher(inputs / ENCODER, _VOCABULARY, _LENGTH, head=False)
