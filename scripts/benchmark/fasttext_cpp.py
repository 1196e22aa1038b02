"""The other side of the linear student: fastText's C++, by its own Python package."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from scripts.benchmark.prediction import demo_texts
from scripts.benchmark.rows import Measurement, Turn
from scripts.benchmark.synthetic import PAD_ID, Language, padded_rows

_DIM, _RATE = 50, 0.5

Result = TypeVar("Result")


def cpp_training(
    vocab_size: int, occurring: int, length: int, rows: int, epochs: int, threads: int, folder: str
) -> Turn:
    """Prepare fastText's C++ on the same tokens, each written as a word: dim 50, rate 0.5, no n-grams."""
    input_ids, labels = padded_rows(Language(vocab_size, occurring), rows, length)
    path = write_fasttext_file(
        Path(folder) / f"fasttext-{threads}.txt",
        (" ".join(map(str, row[row != PAD_ID].tolist())) for row in input_ids),
        labels,
    )

    def turn() -> Measurement:
        return Measurement(rows * epochs, in_new_process(_seconds_of_training, path, epochs, threads))

    return turn


def _seconds_of_training(path: Path, epochs: int, threads: int) -> float:
    import fasttext  # noqa: F401 - importing it is no part of training

    started = time.perf_counter()
    train_cpp(path, epochs=epochs, threads=threads)
    return time.perf_counter() - started


def predict_cpp(folder: str, texts: int | None) -> Turn:
    """Prepare fastText's ``predict`` of a list of the demo's texts, trained on them by its C++."""
    sentences, classes = demo_texts(texts)
    lines = [" ".join(text.split()) for text in sentences]
    model = train_cpp(write_fasttext_file(Path(folder) / "demo.txt", lines, np.array(classes)), epochs=1)

    def turn() -> Measurement:
        started = time.perf_counter()
        model.predict(lines)
        return Measurement(len(lines), time.perf_counter() - started)

    return turn


def in_new_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a module's function returns in a process of its own, which every training but a first one needs.

    fastText 0.9.3 fills a tenth of the embeddings for each thread and leaves the rest as the memory was. In a new
    process that is zeros; in one that has trained before, what that training left, and the loss may become NaN.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def train_cpp(
    path: Path, *, epochs: int, threads: int = 1, dim: int = _DIM, rate: float = _RATE, ngrams: int = 1
) -> Any:
    """Return fastText's model of a file of labelled lines; by default of the notebook's width and without n-grams."""
    import fasttext

    return fasttext.train_supervised(
        str(path), dim=dim, lr=rate, epoch=epochs, wordNgrams=ngrams, minCount=1, thread=threads, verbose=0
    )


def write_fasttext_file(path: Path, texts: Iterable[str], labels: np.ndarray) -> Path:
    """Write ``__label__class text`` lines and return the path."""
    with path.open("w", encoding="utf-8") as stream:
        for label, text in zip(labels.tolist(), texts, strict=True):
            stream.write(f"__label__{label} {text}\n")
    return path
