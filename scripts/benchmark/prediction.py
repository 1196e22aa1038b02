"""Our students' prediction: from token ids, and whole from raw texts."""

import time
from pathlib import Path

from scripts.benchmark.rows import Match, Measurement, Row, Side, Turn
from scripts.benchmark.sizes import Sizes


def predict_token_ids(
    student: str, vocab_size: int, occurring: int, length: int, rows: int, mean_length: float | None = None
) -> Turn:
    """Prepare ``predict_logits`` on rows of token ids: what ``fit`` evaluates with, and what prediction ends in."""
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    from distill_jax.data.ragged import Ragged
    from distill_jax.inference.logits import predict_logits
    from distill_jax.students.student import build_student, to_device
    from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, padded_rows

    built = build_student(student, vocab_size=vocab_size, num_labels=CLASSES, pad_id=PAD_ID)
    params = to_device(built.init(0))
    input_ids, _ = padded_rows(Language(vocab_size, occurring), rows, length, mean_length)
    tokens = Ragged.from_padded(input_ids, PAD_ID)

    def turn() -> Measurement:
        started = time.perf_counter()
        predict_logits(built, params, tokens, length)
        return Measurement(rows, time.perf_counter() - started)

    return turn


def predict_texts(student: str, export: str, folder: str, texts: int | None, recipe: str = "notebook") -> Turn:
    """Prepare ``Predictor.labels`` on the demo's raw texts, with a recipe's student trained for an epoch.

    Every turn has a predictor of its own, loaded beforehand: what it may remember of words that it has met would
    otherwise come from the same texts.
    """
    from distill_jax.jax_setup import configure_jax

    configure_jax()
    from distill_jax.config import TrainConfig
    from distill_jax.inference.predictor import Predictor
    from distill_jax.students.registry import student_kind
    from distill_jax.training.run import TrainRun, train_run

    run = Path(folder) / f"run-{recipe}-{student}"
    train, shape = TrainConfig.of_recipe(recipe, student, epochs=1), dict(student_kind(student).recipe(recipe).student)
    train_run(TrainRun(Path(export), run, train, shape, overwrite=run.exists()))
    sentences = demo_texts(texts)[0]

    def turn() -> Measurement:
        predictor = Predictor.load(run)
        started = time.perf_counter()
        predictor.predict(sentences)
        return Measurement(len(sentences), time.perf_counter() - started)

    return turn


def demo_texts(limit: int | None = None) -> tuple[list[str], list[int]]:
    """Return the demo's kept texts and classes, in the order of the files, fetched where missing.

    Raises:
        DownloadError: they could not be fetched.
    """
    from teacher_export.data.demo import load_demo_reviews

    reviews = load_demo_reviews()
    rows = [row for row, code in enumerate(reviews.classes.tolist()) if code >= 0]
    rows = rows[:: max(1, len(rows) // limit)][:limit] if limit else rows
    return [reviews.texts[row] for row in rows], [int(reviews.classes[row]) for row in rows]


def token_ids_match(sizes: Sizes) -> Match:
    """Return the CNN's prediction from token ids against torch."""
    settings = {"vocab_size": sizes.vocab_size, "occurring": sizes.occurring, "length": sizes.length}
    ours = {**settings, "student": "cnn", "rows": sizes.predict_rows}
    function = "scripts.benchmark.prediction:predict_token_ids"
    return Match(
        {
            "ours": Side(function, ours),
            "torch": Side(
                "scripts.benchmark.reference:torch_prediction",
                {**settings, "rows": sizes.torch_predict_rows},
                packages=("torch",),
            ),
            "shorter": Side(function, {**ours, "mean_length": sizes.mean_length}),
        },
        (
            Row("cnn-predict", "cnn prediction from token ids", "documents", "ours", "torch", 4.5, 8),
            Row("cnn-predict-lengths", "the same, texts of 70 tokens on average", "documents", "shorter", "torch"),
        ),
    )


def raw_text_match(sizes: Sizes, folder: str, export: str, teacher: str, skip: str | None) -> Match:
    """Return prediction from raw texts, tokenizing included, against the demo teacher and fastText's C++."""
    ours = {"export": export, "folder": folder, "texts": sizes.texts}
    function = "scripts.benchmark.prediction:predict_texts"
    exported = {"teacher": teacher, "precision": "auto", "folder": folder, "texts": sizes.teacher_texts}
    return Match(
        {
            "fasttext": Side(function, {**ours, "student": "fasttext"}),
            "cnn": Side(function, {**ours, "student": "cnn"}),
            "best-fasttext": Side(function, {**ours, "student": "fasttext", "recipe": "best"}),
            "best-cnn": Side(function, {**ours, "student": "cnn", "recipe": "best"}),
            "best-bilstm": Side(function, {**ours, "student": "bilstm", "recipe": "best"}),
            "teacher": Side("scripts.benchmark.teacher:export_texts", exported, packages=("torch", "transformers")),
            "cpp": Side(
                "scripts.benchmark.fasttext_cpp:predict_cpp",
                {"folder": folder, "texts": sizes.texts},
                packages=("fasttext",),
            ),
        },
        (
            Row(
                "fasttext-text-teacher",
                "fasttext, raw text, against the demo teacher",
                "documents",
                "fasttext",
                "teacher",
                40,
                100,
            ),
            Row("cnn-text-teacher", "cnn, raw text, against the demo teacher", "documents", "cnn", "teacher", 15, 25),
            Row(
                "best-fasttext-text-teacher",
                "fasttext of the best recipe (bigrams), raw text, against the demo teacher",
                "documents",
                "best-fasttext",
                "teacher",
                20,
                40,
            ),
            Row(
                "best-cnn-text-teacher",
                "cnn of the best recipe, raw text, against the demo teacher",
                "documents",
                "best-cnn",
                "teacher",
                20,
                40,
            ),
            Row(
                "best-bilstm-text-teacher",
                "bilstm of the best recipe, raw text, against the demo teacher",
                "documents",
                "best-bilstm",
                "teacher",
                20,
                40,
            ),
            Row(
                "fasttext-text-cpp",
                "fasttext, raw text, against fastText's predict",
                "documents",
                "fasttext",
                "cpp",
                0.2,
                0.5,
            ),
        ),
        skip=skip,
    )
