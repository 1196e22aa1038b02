"""Requests that came together are answered together: a text costs a fraction in a batch, and none waits for others."""

import asyncio
from concurrent.futures import Executor

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.serving.models import Model

TEXTS_AT_ONCE = 128
_FEW = 32  # texts that are answered between two looks at the network; more go to a thread


class Batches:
    """Answers the texts of one student.

    What has come by the end of a turn of the event loop is one batch. So an idle server answers a request at once, and
    a busy one takes batches as large as there are requests; nothing is waited for, and nothing is to be tuned.

    Args:
        model: the student.
        thread: of one thread, for large requests: health and small requests are answered beside them.
    """

    def __init__(self, model: Model, thread: Executor) -> None:
        self._model, self._thread = model, thread
        self._lines = model.predictor.task.json_lines(model.predictor.label_names, ensure_ascii=False)
        self._texts: list[str] = []
        self._batch: asyncio.Task[list[str]] | None = None

    async def answer(self, texts: list[str]) -> list[str]:
        """Return a JSON object for each text, as ``python -m distill_jax.predict`` writes them.

        Raises:
            InputError: the student can do nothing with one of them.
        """
        if len(texts) > _FEW:
            return await self._answer_beside(texts)
        if not texts:
            return []
        if self._batch is None:
            self._texts = []
            self._batch = asyncio.create_task(self._answer_batch(self._texts))  # begins after what is ready now
        batch, start = self._batch, len(self._texts)
        self._texts += texts
        try:
            lines = await asyncio.shield(batch)  # a client that goes away takes no other's answer along
        except InputError:  # of these texts, or of those that came with them
            return self._answer_now(texts)
        return lines[start : start + len(texts)]

    async def _answer_batch(self, texts: list[str]) -> list[str]:
        self._batch = None
        return self._answer_now(texts)

    def _answer_now(self, texts: list[str]) -> list[str]:
        found = list[str]()
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            found += self._noted(*self._compute(texts[start : start + TEXTS_AT_ONCE]))
        return found

    async def _answer_beside(self, texts: list[str]) -> list[str]:
        loop, found = asyncio.get_running_loop(), list[str]()
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            chunk = texts[start : start + TEXTS_AT_ONCE]
            found += self._noted(*await loop.run_in_executor(self._thread, self._compute, chunk))
        return found

    def _compute(self, texts: list[str]) -> tuple[list[str], Ragged, np.ndarray]:
        tokens = self._model.predictor.encode(texts)
        logits = self._model.predictor.logits_of(tokens)
        return self._lines.format(logits).split("\n")[:-1], tokens, logits

    def _noted(self, lines: list[str], tokens: Ragged, logits: np.ndarray) -> list[str]:
        self._model.drift.note(tokens, logits)
        return lines
