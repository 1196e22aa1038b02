"""The students that are served: what their files hold, under the names that paths and metrics call them by."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distill_jax.conversion.card_page import card_page
from distill_jax.errors import InputError, refusing
from distill_jax.files import require_utf8
from distill_jax.inference.predictor import Predictor
from distill_jax.packed.student import PackedStudent, read_packed
from distill_jax.serving.drift import Drift


@dataclasses.dataclass(frozen=True)
class Model:
    """A packed student that answers.

    Attributes:
        name: its file's, without the suffix.
        packed: what its file holds.
        predictor: what answers.
        about: what ``/info`` says of it.
        drift: what compares the texts that it is given with those that it was made for.
    """

    name: str
    packed: PackedStudent
    predictor: Predictor
    about: Mapping[str, Any]
    drift: Drift


def read_models(files: Sequence[Path]) -> tuple[Model, ...]:
    """Return the students of packed files, in their order.

    Raises:
        InputError: one is none, or damaged, or two have one name.
    """
    models: dict[str, Model] = {}
    for file in files:
        model = _read_model(file)
        if model.name in models:
            raise InputError(f"{file}: another file is called {model.name} already, and paths name them; rename one")
        models[model.name] = model
    return tuple(models.values())


def _read_model(file: Path) -> Model:
    if file.is_dir():
        raise InputError(f"{file}: expected a packed student, got a folder; make one: python -m distill_jax.pack RUN")
    require_utf8(Path(file.name), "packed student")  # the paths are named by it
    student = read_packed(file)
    predictor = student.predictor(f"packed student {file}")
    predictor.logits([""])  # what is made at the first text is made before a client waits for it
    content = file.read_bytes()
    about = {
        "model": file.stem,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        **_about(student, predictor),
    }
    try:
        drift = Drift(file.stem, predictor, student.facts)
        with refusing(lambda reason: f"expected facts as distill_jax.pack writes them ({reason})"):
            about["card"] = card_page(student, file.stem, file.name, len(content))
    except InputError as error:
        raise InputError(f"packed student {file}: {error}") from error
    return Model(file.stem, student, predictor, about, drift)


def _about(student: PackedStudent, predictor: Predictor) -> dict[str, Any]:
    return {
        "task": predictor.task.name,
        "student": student.config.name,
        "labels": list(student.label_names),
        "max_length": student.max_length,
        "decision": dict(student.decision),
        "facts": dict(student.facts),
    }
