"""The run folder as a way out: what predicting needs of it, with or without a training's results beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_jax import __version__
from distill_jax.checksums import record_files
from distill_jax.data.tokenizer import FastTokenizer, load_tokenizer, require_ids_below
from distill_jax.errors import InputError
from distill_jax.export.format import LONGEST_TEXT
from distill_jax.files import atomic_folder, atomic_write, write_json
from distill_jax.formats.format import Format
from distill_jax.inference.predictor import Origin, Predictor
from distill_jax.runs.config import FORMAT_VERSION, student_of
from distill_jax.runs.decision import files_of_decision, read_decision, write_decision
from distill_jax.runs.folder import CONFIG, TOKENIZER, WEIGHTS, read_config, require_whole, unreplaced
from distill_jax.runs.weights import read_weights, require_layout, write_weights
from distill_jax.students.registry import student_to_json


class RunFolder(Format):
    """``config.json``, ``tokenizer.json``, ``weights.npz`` and their record; of a training under way, a checkpoint."""

    name = "run folder"
    suffix = ""

    def recognises(self, path: Path) -> bool:
        """Return whether a folder has a configuration."""
        return (path / CONFIG).is_file()

    def read(self, path: Path, *, module: Callable[..., Any] | None = None) -> Predictor:
        """Return the finished run's student, or its latest checkpoint's."""
        with unreplaced(path):
            return self._read(path, module)

    def _read(self, path: Path, module: Callable[..., Any] | None) -> Predictor:
        config = read_config(path)
        student = student_of(config, f"run configuration {path / CONFIG}", module)
        max_length = _max_length(config, path)
        tokenizer = load_tokenizer(path / TOKENIZER, max_length)
        require_ids_below(student.vocab_size, tokenizer, path / TOKENIZER, CONFIG)
        params = read_weights(path)
        require_layout(student, params, path)
        weights = [WEIGHTS] if (path / WEIGHTS).is_file() else []  # else they are of a checkpoint
        require_whole(path, CONFIG, TOKENIZER, *weights, *files_of_decision(path))
        names = tuple(config["export"]["label_names"])
        origin = Origin(config["train"], config["export"])
        task = read_decision(path, student.labelling, student.num_labels)
        fast = FastTokenizer(tokenizer, max_length)
        return Predictor.of(names, student, params, fast, max_length, origin, task)

    def write(self, predictor: Predictor, path: Path) -> None:
        """Write what predicting needs: a report, which compares trainings, needs more."""
        params = predictor.weights()
        config = {
            "format_version": FORMAT_VERSION,
            "program": f"distill-jax {__version__}",
            "train": {"distil": False, **predictor.origin.train, "student": predictor.config.name},
            "student": student_to_json(predictor.config),
            "export": {"name": path.name, "teacher": {}, **predictor.origin.export, **_seen(predictor)},
        }
        with atomic_folder(path) as folder:
            with atomic_write(folder / TOKENIZER) as stream:
                stream.write(predictor.tokenizer.to_json().encode())
            write_weights(folder, params)
            write_json(folder / CONFIG, config)
            record_files(folder, CONFIG, TOKENIZER)
            write_decision(folder, predictor.task)


def _seen(predictor: Predictor) -> dict[str, Any]:
    """Return what the student says of the export itself."""
    return {
        "label_names": list(predictor.label_names),
        "vocab_size": predictor.config.vocab_size,
        "pad_id": predictor.config.pad_id,
        "max_length": predictor.max_length,
    }


def _max_length(config: dict[str, Any], folder: Path) -> int:
    value = config["export"].get("max_length")
    if not isinstance(value, int) or not 1 <= value <= LONGEST_TEXT:
        raise InputError(
            f"run configuration {folder / CONFIG}: export: max_length: expected 1 to {LONGEST_TEXT} tokens, "
            f"got {value!r}"
        )
    return value
