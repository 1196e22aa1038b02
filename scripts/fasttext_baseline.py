"""The ``fasttext`` package on the demo's texts, split as an export has them."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import tyro

from benchmarks.catalogue import require_packages
from distill_jax.batches import read_examples
from distill_jax.console import run_command, say
from distill_jax.export_format import read_manifest
from distill_jax.metrics import accuracy, macro_f1


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


def main() -> None:
    """Train, test, print."""
    arguments = tyro.cli(Arguments, prog="python scripts/fasttext_baseline.py", description=__doc__)
    require_packages()
    manifest = read_manifest(arguments.export)
    from teacher_export.demo_data import load_demo_reviews

    texts = load_demo_reviews().texts
    train, test = (read_examples(arguments.export, manifest, split) for split in ("train", "test"))
    assert train.example_ids is not None
    assert test.example_ids is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = [
            f"__label__{label} {' '.join(texts[row].split())}\n"
            for row, label in zip(train.example_ids.tolist(), train.labels.tolist(), strict=True)
        ]
        path.write_text("".join(lines), encoding="utf-8")
        for ngrams in arguments.ngrams:
            predicted = _predict(path, arguments, ngrams, [" ".join(texts[row].split()) for row in test.example_ids])
            scores = f"accuracy {accuracy(test.labels, predicted):.3f}, macro F1 {macro_f1(test.labels, predicted):.3f}"
            say(f"fasttext, n-grams up to {ngrams}: {scores}")


def _predict(path: Path, arguments: Arguments, ngrams: int, texts: list[str]) -> np.ndarray:
    """Return the classes that fastText's C++, trained on a file with one thread, names for texts, int [n]."""
    import fasttext

    model = fasttext.train_supervised(
        str(path),
        dim=arguments.dim,
        lr=arguments.rate,
        epoch=arguments.epochs,
        wordNgrams=ngrams,
        thread=1,
        verbose=0,
    )
    return np.array([int(labels[0].removeprefix("__label__")) for labels in model.predict(texts)[0]])


if __name__ == "__main__":
    run_command(main)
