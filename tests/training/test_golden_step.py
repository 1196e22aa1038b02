"""One training step of each student against committed numbers, which neither of our libraries' versions can move.

The numbers came from the reference in torch at float64. To make them again, after a change of the specification only::

    python tests/test_golden_step.py
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from distill_jax.config import TrainConfig
from distill_jax.data.examples import Examples
from distill_jax.students.student import build_student
from distill_jax.students.torch_state import params_from_torch, params_to_torch
from distill_jax.training.fit import fit
from parity_setup import PRECISIONS, STUDENTS, precision
from reference_torch import build_reference, load_arrays, state_arrays, train_reference
from student_options import own
from tolerances import OF_GRADIENTS, OF_LOGITS, rounding

FOLDER = Path(__file__).resolve().parent.parent / "golden"
VOCAB, CLASSES, LENGTH, DIM = 30, 5, 9, 50
SHAPE = {"vocab_size": VOCAB, "num_labels": CLASSES, "embedding_dim": DIM}
BROKEN = (
    "{who} {name} no longer takes the committed step ({distil}): {key} differs by {difference:.1e}.\n"
    "If the reference in torch differs too, torch or the reference changed; if ours alone differs, a change to the "
    "student, its loss, its optimiser or a version of JAX moved the numbers, and trained students will differ from the "
    "notebook's: find the cause. Make the numbers again only where NOTEBOOK's specification itself changed."
)


def wave(shape, number):
    """Return numbers in −1 … 1 that no library's random generator decides."""
    count = int(np.prod(shape))
    return np.sin(12.9898 * np.arange(1, count + 1) + 78.233 * number).reshape(shape)


def golden_state(name):
    """Return the weights before the step, float64, torch's names."""
    shapes = {key: array.shape for key, array in state_arrays(build_reference(name, **SHAPE, dropout=0.0)).items()}
    state = {key: 0.3 * wave(shape, number) for number, (key, shape) in enumerate(shapes.items())}
    state[next(iter(state))][0] = 0
    return state


def golden_rows(name):
    """Return the batch of the step: 32 rows for the CNN, one for the linear student."""
    rows = 32 if name == "cnn" else 1
    ids = (np.abs(wave((rows, LENGTH), 50)) * 1e4).astype(np.int32) % (VOCAB - 1) + 1
    ids[np.arange(LENGTH) >= (np.arange(rows) + 6)[:, None] % (LENGTH + 1)] = 0
    return Examples.from_padded(
        ids, (np.arange(rows) % CLASSES).astype(np.int32), wave((rows, CLASSES), 60).astype(np.float32)
    )


def summary(history, before, after, places=None):
    """Return a step's numbers: the losses, and of each array's change its sum, its size and some of its elements.

    ``places``: array name → which elements; the four that change most where none are given.
    """
    numbers = {"train_loss": float(history["train_loss"]), "test_loss": float(history["test_loss"])}
    for key, array in after.items():
        change = array.astype(np.float64) - before[key]
        largest = np.argsort(-np.abs(change).ravel(), kind="stable")[:4]
        numbers[f"{key}.change.sum"] = float(change.sum())
        numbers[f"{key}.change.norm"] = float(np.sqrt((change**2).sum()))
        chosen = places[key] if places else largest.tolist()
        numbers[f"{key}.change.elements"] = {str(place): float(change.ravel()[place]) for place in chosen}
    return numbers


def reference_step(name, *, distil):
    before, rows = golden_state(name), golden_rows(name)
    model = load_arrays(build_reference(name, **SHAPE, dropout=0.0, dtype=torch.float64), before)
    model, history = train_reference(name, model, rows, rows, distil=distil, epochs=1)
    return summary(history[0], before, state_arrays(model))


def our_step(name, precision_name, *, distil):
    before, rows = golden_state(name), golden_rows(name)
    params = params_from_torch(name, {key: array.astype(precision_name) for key, array in before.items()})
    config = TrainConfig.notebook(name, distil=distil, epochs=1)
    with precision(precision_name):
        result = fit(
            build_student(name, **SHAPE, **own(name, dropout=0.0)), params, train=rows, test=rows, config=config
        )
    golden = golden_numbers(name)["distilled" if distil else "direct"]
    places = {key: [int(place) for place in golden[f"{key}.change.elements"]] for key in before}
    return summary(result.history.iloc[0], before, params_to_torch(name, result.params), places)


def golden_numbers(name):
    return json.loads((FOLDER / f"golden_step_{name}.json").read_text())


def flat(numbers):
    """Return numbers by one name each."""
    elements = {key: value for key, value in numbers.items() if isinstance(value, dict)}
    singles = {key: value for key, value in numbers.items() if key not in elements}
    return singles | {f"{key}[{place}]": number for key, value in elements.items() for place, number in value.items()}


def allowed(key, expected, state, dtype):
    """Return how far a number may lie off: a loss by its logits' rounding, a change by its weight's and its gradient's.

    The sum and the size of a change have the roundings of all its elements.
    """
    array, _, what = key.partition(".change.")
    if not what:
        return rounding(OF_LOGITS["terms"], expected[key], dtype)
    largest = max(abs(value) for place, value in expected.items() if place.startswith(f"{array}.change.elements"))
    element = rounding(1, np.abs(state[array]).max(), dtype) + rounding(OF_GRADIENTS["terms"], largest, dtype)
    return element * (1 if what.startswith("elements") else np.sqrt(state[array].size))


def check(found, expected, dtype, who, name, kind):
    found, expected, state = flat(found), flat(expected), golden_state(name)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        difference = abs(found[key] - value)
        message = BROKEN.format(who=who, name=name, distil=kind, key=key, difference=difference)
        assert difference <= allowed(key, expected, state, dtype), message


@pytest.mark.parametrize("kind", ["direct", "distilled"])
@pytest.mark.parametrize("name", STUDENTS)
class TestGoldenStep:
    def test_reference(self, name, kind):
        found = reference_step(name, distil=kind == "distilled")
        check(found, golden_numbers(name)[kind], "float64", "The reference", name, kind)

    @pytest.mark.parametrize("precision_name", PRECISIONS)
    def test_ours(self, name, kind, precision_name):
        found = our_step(name, precision_name, distil=kind == "distilled")
        check(found, golden_numbers(name)[kind], precision_name, "Our", name, kind)


def test_the_steps_move_every_array():
    for name in STUDENTS:
        for numbers in golden_numbers(name).values():
            assert all(value > 1e-4 for key, value in numbers.items() if key.endswith(".norm"))


def write_golden_numbers():
    """Write the numbers of both students, from the reference."""
    for name in STUDENTS:
        numbers = {kind: reference_step(name, distil=kind == "distilled") for kind in ("direct", "distilled")}
        (FOLDER / f"golden_step_{name}.json").write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    write_golden_numbers()
