"""Whether explanations name the words that matter: taking them away against taking others away.

``python -m scripts.explanations --export exports/demo student.djx …``
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import distill_jax as dj
from distill_jax.console import run_command, say
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.inference.explanation.explanation import Explanation

_TAKEN = 3


def main() -> None:
    """Print, for each student, how far the answer's probability moves either way, and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m scripts.explanations", description=__doc__)
    parser.add_argument("students", nargs="+", type=Path, metavar="STUDENT", help="run folders and packed files")
    parser.add_argument("--export", type=Path, required=True, help="whose test texts are explained")
    parser.add_argument("--texts", type=int, default=500)
    arguments = parser.parse_args()
    texts = _texts(arguments.export, arguments.texts)
    for student in arguments.students:
        model = dj.load(student)
        started = time.perf_counter()
        model.explain(texts)
        milliseconds = 1e3 * (time.perf_counter() - started) / len(texts)
        highest, others = moves(model, texts)
        say(
            f"{student}: {len(highest)} texts; without the {_TAKEN} highest words {highest.mean():.4f}, without "
            f"{_TAKEN} others {others.mean():.4f}, ratio {highest.mean() / others.mean():.1f}; "
            f"{milliseconds:.2f} ms a text"
        )


def _texts(folder: Path, count: int) -> list[str]:
    export = dj.Export.open(folder)
    rows = np.random.default_rng(0).permutation(len(export.test))[:count]
    tokenizer = FastTokenizer(export.load_tokenizer(), export.manifest.max_length)
    return tokenizer.decode(export.test.tokens.take(rows), export.manifest.pad_id)


def moves(model: dj.Predictor, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the answer's probability moves without the highest words, and without others drawn by chance.

    Args:
        model: the student, of one class a text.
        texts: texts of at least twice as many words are counted.

    Returns:
        Two arrays, float64 [texts].
    """
    rng, found = np.random.default_rng(0), []
    for explanation in model.explainer.explain(texts):
        order = np.argsort(-explanation.evidence(), kind="stable")
        if len(order) >= 2 * _TAKEN:
            others = rng.choice(order[_TAKEN:], _TAKEN, replace=False)
            left = [explanation.text, _without(explanation, order[:_TAKEN]), _without(explanation, others)]
            shares = model.predict_proba(left)[:, model.label_names.index(explanation.answer)]
            found.append(np.abs(shares[1:] - shares[0]))
    highest, others = np.array(found).reshape(-1, 2).T
    return highest, others


def _without(explanation: Explanation, words: np.ndarray) -> str:
    text = explanation.text
    for word in sorted(words, reverse=True):
        text = text[: explanation.words[word].start] + text[explanation.words[word].stop :]
    return text


if __name__ == "__main__":
    run_command(main)
