"""The ``fasttext`` package on the demo's texts, split as an export has them."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill_jax.console import parse_options, run_command, say
from distill_jax.data.examples import Examples, read_examples
from distill_jax.export.format import read_manifest
from distill_jax.extras import require_packages
from distill_jax.metrics.classification import accuracy, macro_f1
from scripts.benchmark.fasttext_cpp import in_new_process, train_cpp, write_fasttext_file


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Which export, and how fastText is trained."""

    export: Path = Path("exports/best")
    """An export of the demo: its training rows train, its test rows test."""
    ngrams: tuple[int, ...] = (1, 2)
    """Word n-grams, one training each."""
    dim: int = 50
    """Width of the embeddings."""
    rate: float = 0.5
    """Learning rate."""
    epochs: int = 5
    """Passes over the training rows."""
    threads: int = 1
    """Threads of the training; the same numbers every time with one alone."""
    cutoff: int = 0
    """Keep so many words and n-grams, train them anew and quantise them, as for an .ftz file; 0 = keep all."""


def main() -> None:
    """Train, test, print."""
    arguments = parse_options(
        Arguments, None, prog="python -m scripts.benchmark.fasttext_baseline", description=__doc__
    )
    require_packages("fasttext", what="the baseline")
    manifest = read_manifest(arguments.export)
    from teacher_export.data.demo import load_demo_reviews

    texts = load_demo_reviews().texts
    train, test = (read_examples(arguments.export, manifest, split) for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        path = write_fasttext_file(Path(folder) / "train.txt", _lines(texts, train), train.labels)
        for ngrams in arguments.ngrams:
            predicted, size = in_new_process(_predict, path, arguments, ngrams, _lines(texts, test))
            scores = f"accuracy {accuracy(test.labels, predicted):.3f}, macro F1 {macro_f1(test.labels, predicted):.3f}"
            say(f"fasttext, n-grams up to {ngrams}: {scores}, {size:,} bytes")


def _lines(texts: Sequence[str], rows: Examples) -> list[str]:
    """Return the rows' texts, each as one line, which is all that fastText takes."""
    assert rows.example_ids is not None
    return [" ".join(texts[row].split()) for row in rows.example_ids.tolist()]


def _predict(path: Path, arguments: Arguments, ngrams: int, texts: list[str]) -> tuple[np.ndarray, int]:
    """Return the classes that fastText's C++, trained on a file, names for texts, int [n], and its file's size."""
    model = train_cpp(
        path,
        epochs=arguments.epochs,
        threads=arguments.threads,
        dim=arguments.dim,
        rate=arguments.rate,
        ngrams=ngrams,
    )
    saved = path.with_suffix(".bin")
    if arguments.cutoff:
        model.quantize(input=str(path), cutoff=arguments.cutoff, retrain=True, qnorm=True)
        saved = path.with_suffix(".ftz")
    model.save_model(str(saved))
    classes = [int(labels[0].removeprefix("__label__")) for labels in model.predict(texts)[0]]
    return np.array(classes), saved.stat().st_size


if __name__ == "__main__":
    run_command(main)
