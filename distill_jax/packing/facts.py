"""What a packed file says of where it comes from, and of the texts that it was made for."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from distill_jax import __version__
from distill_jax.checksums import CHECKSUMS
from distill_jax.data.ragged import Ragged
from distill_jax.inference.predictor import Predictor
from distill_jax.runs.folder import CONFIG

_OF_EXPORT = ("name", "fingerprint", "data_fingerprint")
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def run_facts(folder: Path, predictor: Predictor) -> dict[str, Any]:
    """Return where a student comes from: its run, its recipe, its teacher."""
    record = folder / (CHECKSUMS if (folder / CHECKSUMS).is_file() else CONFIG)
    train, export = predictor.origin.train, predictor.origin.export
    teacher = export.get("teacher", {})
    training = {name: train[name] for name in ("recipe", "distil", "alpha", "temperature", "seed") if name in train}
    about = {name: teacher[name] for name in ("name", "fingerprint", "parameters", "bytes") if name in teacher}
    return {
        "program": f"distill-jax {__version__}",
        "run": {
            "name": folder.absolute().name,
            "sha256": hashlib.sha256(record.read_bytes()).hexdigest(),
            "training": training,
            "teacher": about,
            "export": {name: export[name] for name in _OF_EXPORT if export.get(name) is not None},
        },
    }


def text_facts(predictor: Predictor, tokens: Ragged, logits: np.ndarray) -> dict[str, Any]:
    """Return statistics of validation texts, with which a service compares the texts that it is given.

    Args:
        predictor: the packed student.
        tokens: the texts.
        logits: what it says of them.
    """
    unknown = predictor.tokenizer.unknown_id
    facts: dict[str, Any] = {
        "rows": len(tokens),
        "tokens": _quantiles(tokens.lengths),
        "unknown_share": 0.0 if unknown is None else float(np.mean(tokens.ids == unknown)),
    }
    if predictor.task.has_classes:
        probabilities = predictor.task.probabilities(logits)
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(predictor.label_names))
        facts["label_shares"] = (counts / counts.sum()).tolist()
        facts["confidence"] = _quantiles(probabilities.max(axis=1))
    return facts


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {
        f"{level:g}": float(value) for level, value in zip(_QUANTILES, np.quantile(values, _QUANTILES), strict=True)
    }
