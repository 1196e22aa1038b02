"""Our students' training, whole: ``fit`` with compaction, metrics, evaluation and a progress bar."""

import time
from typing import Any

from scripts.benchmark.rows import Match, Measurement, Row, Side, Turn
from scripts.benchmark.sizes import Sizes


def fit_student(
    student: str,
    vocab_size: int,
    occurring: int,
    length: int,
    rows: int,
    test_rows: int,
    epochs: int,
    mean_length: float | None = None,
) -> Turn:
    """Prepare ``fit`` with the notebook's configuration; a step's time counts everything that ``fit`` does."""
    from distill_jax.config import TrainConfig
    from distill_jax.jax_setup import configure_jax
    from distill_jax.students.registry import recipe_student

    config = TrainConfig.notebook(student, epochs=epochs)
    configure_jax(fused_loops=recipe_student(student, "notebook").takes_sparse_steps(config.optimizer))
    from distill_jax.data.examples import Examples
    from distill_jax.students.student import build_student
    from distill_jax.training.fit import fit
    from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, padded_rows

    language = Language(vocab_size, occurring)
    train = Examples.from_padded(*padded_rows(language, rows, length, mean_length), pad_id=PAD_ID)
    test = Examples.from_padded(*padded_rows(language, test_rows, length, mean_length, seed=2), pad_id=PAD_ID)
    built = build_student(student, vocab_size=vocab_size, num_labels=CLASSES, pad_id=PAD_ID)
    params = built.init(0)
    steps = -(-rows // config.batch_size) * epochs

    def turn() -> Measurement:
        started = time.perf_counter()
        result = fit(built, params, train=train, test=test, config=config, show_progress=True)
        seconds = time.perf_counter() - started
        return Measurement(steps, seconds, {"steps_per_second_without_setup_and_evaluation": steps / result.seconds})

    return turn


def _fit(student: str, sizes: Sizes, vocab_size: int, **changes: Any) -> Side:
    linear = student == "fasttext"
    settings = {
        "student": student,
        "vocab_size": vocab_size,
        "occurring": sizes.occurring,
        "length": sizes.length,
        "rows": sizes.linear_rows if linear else sizes.cnn_rows,
        "test_rows": sizes.test_rows,
        "epochs": sizes.linear_epochs if linear else 1,
    }
    return Side("scripts.benchmark.training:fit_student", {**settings, **changes})


def _torch(student: str, sizes: Sizes, vocab_size: int) -> Side:
    steps = sizes.torch_linear_steps if student == "fasttext" else sizes.torch_cnn_steps
    settings = {"student": student, "vocab_size": vocab_size, "occurring": sizes.occurring, "length": sizes.length}
    return Side("scripts.benchmark.reference:torch_training", {**settings, "steps": steps}, packages=("torch",))


def _cpp(sizes: Sizes, folder: str, threads: int) -> Side:
    settings = {
        "vocab_size": sizes.vocab_size,
        "occurring": sizes.occurring,
        "length": sizes.length,
        "rows": sizes.linear_rows,
        "epochs": sizes.linear_epochs,
        "folder": folder,
        "threads": threads,
    }
    return Side("scripts.benchmark.fasttext_cpp:cpp_training", settings, packages=("fasttext",))


def linear_match(sizes: Sizes, folder: str) -> Match:
    """Return the linear student's training against torch and fastText; ``folder`` takes fastText's files."""
    return Match(
        {
            "ours": _fit("fasttext", sizes, sizes.vocab_size),
            "torch": _torch("fasttext", sizes, sizes.vocab_size),
            "one": _cpp(sizes, folder, 1),
            "two": _cpp(sizes, folder, 2),
            "shorter": _fit("fasttext", sizes, sizes.vocab_size, mean_length=sizes.mean_length),
        },
        (
            Row(
                "fasttext-torch", "fasttext training, against the notebook's loop", "steps", "ours", "torch", 1000, 1600
            ),
            Row("fasttext-cpp", "fasttext training, against fastText's C++, 1 thread", "steps", "ours", "one", 2),
            Row("fasttext-cpp-2", "the same, 2 threads (not deterministic)", "steps", "ours", "two", None, 1),
            Row("fasttext-lengths", "fasttext training, texts of 70 tokens on average", "steps", "shorter", "torch"),
        ),
    )


def cnn_match(sizes: Sizes) -> Match:
    """Return the CNN's training against torch, over the whole vocabulary."""
    return Match(
        {
            "ours": _fit("cnn", sizes, sizes.vocab_size),
            "torch": _torch("cnn", sizes, sizes.vocab_size),
            "shorter": _fit("cnn", sizes, sizes.vocab_size, mean_length=sizes.mean_length),
        },
        (
            Row(
                "cnn-torch",
                "cnn training, large vocabulary, against the notebook's loop",
                "steps",
                "ours",
                "torch",
                5,
                7,
            ),
            Row("cnn-lengths", "the same, texts of 70 tokens on average", "steps", "shorter", "torch"),
        ),
    )


def cnn_small_match(sizes: Sizes) -> Match:
    """Return the CNN's training against torch, over a vocabulary in which every token occurs."""
    vocab_size = sizes.occurring + 1
    return Match(
        {"ours": _fit("cnn", sizes, vocab_size), "torch": _torch("cnn", sizes, vocab_size)},
        (
            Row(
                "cnn-small-torch",
                "cnn training, small vocabulary, against the notebook's loop",
                "steps",
                "ours",
                "torch",
                2.3,
                3,
            ),
        ),
    )
