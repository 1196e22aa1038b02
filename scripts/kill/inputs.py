"""What the scenarios begin with: texts, a teacher, an encoder that is no teacher yet, all tiny."""

from pathlib import Path

from scripts.benchmark.exports import write_texts
from scripts.benchmark.synthetic import Language
from scripts.benchmark.tiny_teacher import save_tiny_teacher

VOCABULARY, LENGTH = 48, 16
TABLE, TEXTS, TEACHER, ENCODER = "reviews.csv", "texts.txt", "teacher", "encoder"
_ROWS, _MEAN_LENGTH = 60, 7.0


def write_inputs(folder: Path) -> None:
    """Write them into an empty folder; in a process that may use torch."""
    language = Language(VOCABULARY, VOCABULARY - 8)
    write_texts(folder / TABLE, language, _ROWS, _MEAN_LENGTH, LENGTH - 4, table=True)
    write_texts(folder / TEXTS, language, _ROWS, _MEAN_LENGTH, LENGTH - 4, table=False)
    save_tiny_teacher(folder / TEACHER, VOCABULARY, LENGTH)
    save_tiny_teacher(folder / ENCODER, VOCABULARY, LENGTH, head=False)
