"""What a user does with the package, step by step: ``python journey.py STEP [STUDENT]``, in a folder for all steps.

A copy runs in each environment, the tests' tiny teacher and export beside it, and imports what is installed there.
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

EXPORT, TEXTS, RUNS = Path("exports/tiny"), Path("texts.txt"), Path("runs/tiny")
_EPOCHS, _WIDTH = "2", "8"


def installed() -> None:
    """Require that the package is the environment's own."""
    import distill_jax

    place = Path(distill_jax.__file__).resolve()
    assert place.is_relative_to(Path(sys.prefix).resolve()), f"distill_jax is imported from {place}"
    _call("distill-train", "--version")


def export() -> None:
    """Export from a teacher with a trained head; then fine-tune one without, and export from it."""
    from pyarrow import csv, parquet

    tiny_teacher = importlib.import_module("tiny_teacher")  # the copy beside this file
    tiny_teacher.make_teacher("teacher")
    tiny_teacher.make_teacher("encoder", head=False)
    parquet.write_table(csv.read_csv(tiny_teacher.write_reviews_csv("reviews.csv", rows=400)), "reviews.parquet")
    table = ("--dataset", "table", "--max-length", "64", "--text-column", "text", "--label-column", "rating")
    further = ("--validation-fraction", "0.2", "--unlabelled", str(TEXTS), "--augment", "1")
    _call(
        "distill-export", *table, "--data", "reviews.parquet", "--teacher", "teacher", "--output", str(EXPORT), *further
    )
    tuning = ("--finetune-epochs", "1", "--finetune-output", "finetuned")
    words = ("--data", "reviews.csv", "--teacher", "encoder", "--output", "exports/finetuned")
    _call("distill-export", *table, *words, *tuning)


def write_export() -> None:
    """Write an export without torch, as a teacher of another framework would."""
    importlib.import_module("tiny_export").write_tiny_export(EXPORT)


def student(name: str) -> None:
    """Train a student, and predict with it from the command line and from Python, alike."""
    run = RUNS / name
    sizes = ("--epochs", _EPOCHS, "--embedding-dim", _WIDTH)
    _call("distill-train", "--export", str(EXPORT), "--student", name, "--distil", "--workdir", str(run), *sizes)
    _predict(run)


def runtime() -> None:
    """Predict with the linear student alone where nothing is installed that trains; training says what is missing."""
    assert importlib.util.find_spec("jax") is None
    _predict(RUNS / "fasttext")
    done = subprocess.run(["distill-train"], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done
    assert 'pip install "distill-jax[train]"' in done.stderr, done


def _predict(run: Path) -> None:
    import distill_jax as dj

    lines = _call("distill-predict", "--run", str(run), str(TEXTS)).splitlines()
    texts = TEXTS.read_text(encoding="utf-8").splitlines()
    model = dj.load(run)
    assert [json.loads(line)["label"] for line in lines] == list(model.predict(texts))
    probabilities = model.predict_proba(texts)
    assert probabilities.shape == (len(texts), len(model.classes_))
    assert abs(probabilities.sum(axis=1) - 1).max() < 1e-5


def library() -> None:
    """Train from Python, save, load and predict; and the same by scikit-learn's words."""
    import distill_jax as dj

    opened = dj.Export.open(EXPORT)
    made = dj.student("cnn", opened, embedding_dim=int(_WIDTH))
    result = dj.fit(made, opened.train, distil=True, epochs=int(_EPOCHS), evaluate={"test": opened.test})
    assert len(result.history) == int(_EPOCHS)
    result.save("runs/library")
    assert len(dj.load("runs/library").predict(["good film"])) == 1
    texts, labels = ["good film", "bad film"] * 20, ["yes", "no"] * 20
    assert dj.TextClassifier(training={"epochs": 40}).fit(texts, labels).predict(["a good one"]).tolist() == ["yes"]


def report() -> None:
    """Report on the trained students, and compare two of them."""
    _call("distill-report", str(RUNS))
    assert list(RUNS.glob("report*.html"))
    first, second = sorted(path.parent for path in RUNS.glob("*/metrics.json"))[:2]
    _call("distill-compare", str(first), str(second))


def _call(*words: str) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


STEPS = {step.__name__: step for step in (installed, export, write_export, student, library, report, runtime)}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
