"""Where a CUDA GPU is: the teacher's documents a second and share of the chip, the students on GPU and CPU."""

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from scripts.benchmark.rows import Match, Measurement, Row, Side, Turn
from scripts.benchmark.sizes import Sizes

if TYPE_CHECKING:
    from distill_jax.data.ragged import Ragged

_PACKAGES = ("torch", "transformers")
_ON_GPU, _ON_CPU = {"JAX_PLATFORMS": "cuda,cpu"}, {"JAX_PLATFORMS": "cpu"}
_BATCHES = (32, 128, 512)
_PEAK_SIZE, _PEAK_PRODUCTS = 8192, 30
_SPARSE_STEPS = 4096
_MAX_LENGTH = 128
_REVIEW_TOKENS = 100, 30  # mean and deviation
_BASE_TEXTS, _BASE_BATCH, _COMPARED = 65_536, 64, 2048


def teacher_on_gpu(teacher: str, texts: int | None, batch_size: int) -> Turn:
    """Prepare the teacher's pass in bfloat16 on the GPU, from token ids, with its share of the matrix rate."""
    from scripts.benchmark.prediction import demo_texts
    from teacher_export.data.demo import LABEL_NAMES
    from teacher_export.options.teacher import TeacherConfig
    from teacher_export.teacher.loading import load_teacher
    from teacher_export.teacher.source import resolve_teacher
    from teacher_export.teacher.tokens import encode

    source = resolve_teacher(TeacherConfig(teacher))
    loaded = load_teacher(source, LABEL_NAMES, _MAX_LENGTH, 0)
    tokens = encode(loaded.tokenizer, demo_texts(texts)[0])
    return _pass(loaded.model, tokens, loaded.fill_id, batch_size)


def distilbert_base_on_gpu(texts: int, batch_size: int) -> Turn:
    """Prepare the same for a DistilBERT-base with random weights, and texts of about a hundred tokens."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    from distill_jax.data.ragged import Ragged

    torch.manual_seed(0)
    config = DistilBertConfig(num_labels=5)
    rng = np.random.default_rng(0)
    lengths = np.clip(np.rint(rng.normal(*_REVIEW_TOKENS, texts)), 8, _MAX_LENGTH).astype(np.int64)
    ids = rng.integers(1000, config.vocab_size, lengths.sum()).astype(np.int32)
    return _pass(DistilBertForSequenceClassification(config), Ragged(ids, lengths), config.pad_token_id, batch_size)


def _pass(model: Any, tokens: "Ragged", pad_id: int, batch_size: int) -> Turn:
    """Prepare a teacher's pass; the notes compare its first texts' logits with float32's."""
    import torch

    from teacher_export.teacher.logits import predict_logits

    model = model.to("cuda").eval()
    operations = encoder_operations(model.config, tokens.lengths)
    peak = _matrix_rate()
    options: dict[str, Any] = {"pad_id": pad_id, "batch_size": batch_size, "max_length": _MAX_LENGTH}
    few = tokens.take(np.arange(min(len(tokens), _COMPARED)))
    exact, near = (predict_logits(model, few, precision=name, **options) for name in ("float32", "bfloat16"))
    agreement = float((exact.argmax(axis=1) == near.argmax(axis=1)).mean())
    difference = float(np.abs(exact - near).mean() / exact.std())

    def turn() -> Measurement:
        started = time.perf_counter()
        predict_logits(model, tokens, precision="bfloat16", **options)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        notes = {
            "matrix_operations_per_second": peak,
            "share_of_matrix_rate": operations / seconds / peak,
            "argmax_agreement_with_float32": agreement,
            "mean_difference_from_float32_in_deviations": difference,
        }
        return Measurement(len(tokens), seconds, notes)

    return turn


def encoder_operations(config: Any, lengths: np.ndarray) -> float:
    """Return the floating-point operations (multiplications and additions) of a DistilBERT's layers, padding left out.

    Args:
        config: ``n_layers``, ``dim`` and ``hidden_dim`` are looked at.
        lengths: int [n], tokens of each text.
    """
    tokens, pairs = float(lengths.sum()), float((lengths.astype(np.float64) ** 2).sum())
    weights = 4 * config.dim**2 + 2 * config.dim * config.hidden_dim
    return config.n_layers * (2 * tokens * weights + 4 * pairs * config.dim)


def _matrix_rate() -> float:
    """Return the operations a second of a large bfloat16 matrix product on the GPU."""
    import torch

    left, right = (torch.randn(_PEAK_SIZE, _PEAK_SIZE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for products in (3, _PEAK_PRODUCTS):  # the first ones warm up
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(products):
            torch.mm(left, right)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    return 2 * _PEAK_SIZE**3 * _PEAK_PRODUCTS / seconds


def sparse_steps(vocab_size: int, occurring: int, length: int) -> Turn:
    """Prepare the linear student's loop of batch-size-1 steps on JAX's default device (``fit`` takes the CPU)."""
    from distill_jax.jax_setup import configure_jax

    configure_jax(fused_loops=True)
    import jax

    from distill_jax.data.compaction import Compaction
    from distill_jax.data.ragged import Ragged
    from distill_jax.losses import Objective
    from distill_jax.students.student import build_student
    from distill_jax.training.runners import UNROLL
    from distill_jax.training.sparse_sgd import sparse_sgd_steps, widen
    from distill_jax.training.token_arrays import token_arrays
    from scripts.benchmark.synthetic import CLASSES, PAD_ID, Language, padded_rows

    input_ids, labels = padded_rows(Language(vocab_size, occurring), _SPARSE_STEPS, length)
    tokens = Ragged.from_padded(input_ids, PAD_ID)
    compaction = Compaction.of([tokens.ids], vocab_size, PAD_ID)
    student = build_student("fasttext", vocab_size=len(compaction.tokens), num_labels=CLASSES, pad_id=compaction.pad_id)
    data = jax.device_put(
        {
            **token_arrays(compaction.apply(tokens)),
            "weights": np.full(len(labels), 1 / length, np.float32),
            "labels": labels,
            "teacher_logits": np.zeros((len(labels), CLASSES), np.float32),
            "learning_rates": np.full(len(labels), 0.5, np.float32),
        }
    )
    state = [widen(jax.device_put(student.init(0)))]
    settings = {"objective": Objective(alpha=1.0), "batch_size": 1, "unroll": UNROLL}

    def turn() -> Measurement:
        started = time.perf_counter()
        state[0], losses, _ = sparse_sgd_steps(state[0], data, np.int32(len(labels)), **settings)
        losses.block_until_ready()
        return Measurement(len(labels), time.perf_counter() - started)

    return turn


def _on_both(name: str, title: str, unit: str, function: str, settings: dict[str, Any]) -> Match:
    sides = {"gpu": Side(function, settings, _ON_GPU), "cpu": Side(function, settings, _ON_CPU)}
    return Match(sides, (Row(name, f"{title}: GPU against CPU", unit, "gpu", "cpu"),))


def gpu_matches(sizes: Sizes, teacher: str, skip_teacher: str | None) -> list[Match]:
    """Return the matches for a machine with a GPU; nothing is asked of their rows."""
    language = {"vocab_size": sizes.vocab_size, "occurring": sizes.occurring, "length": sizes.length}
    fit = {**language, "student": "cnn", "rows": sizes.cnn_rows, "test_rows": sizes.test_rows, "epochs": 1}
    predict = {**language, "student": "cnn", "rows": sizes.predict_rows}
    passes = [
        Match(
            {
                "ours": Side(
                    "scripts.benchmark.gpu:teacher_on_gpu",
                    {"teacher": teacher, "texts": sizes.texts, "batch_size": batch},
                    packages=_PACKAGES,
                )
            },
            (Row(f"gpu-teacher-{batch}", f"teacher's pass on the GPU, --batch-size {batch}", "documents", "ours"),),
            skip=skip_teacher,
        )
        for batch in _BATCHES
    ]
    base = {"texts": _BASE_TEXTS, "batch_size": _BASE_BATCH}
    return [
        *passes,
        Match(
            {"ours": Side("scripts.benchmark.gpu:distilbert_base_on_gpu", base, packages=_PACKAGES)},
            (
                Row(
                    "gpu-distilbert-base", "DistilBERT-base's pass on the GPU, texts of 100 tokens", "documents", "ours"
                ),
            ),
        ),
        _on_both("gpu-cnn", "cnn training", "steps", "scripts.benchmark.training:fit_student", fit),
        _on_both(
            "gpu-cnn-predict", "cnn prediction", "documents", "scripts.benchmark.prediction:predict_token_ids", predict
        ),
        _on_both("gpu-fasttext", "fasttext training steps", "steps", "scripts.benchmark.gpu:sparse_steps", language),
    ]
