"""From texts to explanations, one after the other."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from distill_jax.data.pieces import Pieces
from distill_jax.data.ragged import Ragged
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.inference.explanation.explanation import Explanation, Method
from distill_jax.inference.explanation.features import Features, left_out
from distill_jax.inference.network import Network
from distill_jax.inference.text_input import text_chunks
from distill_jax.tasks.task import Task

_METHODS = ("features", "leave-one-out")
_TEXTS_AT_ONCE = 64


@dataclasses.dataclass(frozen=True)
class Explainer:
    """Explains a student's answers.

    Attributes:
        label_names: the classes, in class order.
        task: what it answers.
        network: what computes its logits.
        tokenizer: its tokenizer.
    """

    label_names: tuple[str, ...]
    task: Task
    network: Network
    tokenizer: FastTokenizer

    def explain(self, texts: Iterable[str], method: Method | None = None) -> Iterator[Explanation]:
        """Yield each text's explanation; memory has room for any number of texts.

        Args:
            texts: as ``Predictor.logits`` takes them.
            method: ``features`` or ``leave-one-out``; None = the first where the student has such parts.

        Raises:
            InputError: the student's logits are no sum of such parts, there is no such method, or as for ``logits``.
        """
        known: Any = method
        if known is not None and known not in _METHODS:
            raise InputError(f"method: expected one of {', '.join(_METHODS)}, got {method!r}")
        for chunk in text_chunks(texts, _TEXTS_AT_ONCE):
            for text in chunk:
                yield self._explanation(text, method)

    def _explanation(self, text: str, method: Method | None) -> Explanation:
        pieces = self.tokenizer.pieces(text)
        used, features = self._features(pieces, method)
        return Explanation(text, self.label_names, self.task, used, pieces, features)

    def _features(self, pieces: Pieces, method: Method | None) -> tuple[Method, Features]:
        row = Ragged.of([pieces.ids.tolist()])
        if method != "leave-one-out":
            features = self.network.features(row)
            if features is not None:
                return "features", features
        if method == "features":
            raise InputError("method features: this student's logits are no sum over words; use leave-one-out")
        return "leave-one-out", left_out(self.network, row, pieces.word_extents)
