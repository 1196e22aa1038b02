"""A token's hint: what its context adds to it in the teacher, in a few numbers of one byte, for students to learn."""

import numpy as np
import torch

from distill_jax.export.format import HINT_STEP
from teacher_export.teacher.middle import normalised


class HintMap:
    """From states to hints, by the export's own files, so that every process makes the same."""

    def __init__(self, table: np.ndarray, directions: np.ndarray) -> None:
        """Take the files' arrays.

        Args:
            table: float16 [vocab_size, hidden], each token's mean state.
            directions: float32 [hidden, width], along which states differ around it (``token_states``).
        """
        self.width = directions.shape[1]
        self._table = torch.tensor(table)
        self._directions = torch.from_numpy(directions / np.float32(HINT_STEP))

    def __call__(self, ids: np.ndarray, states: torch.Tensor) -> np.ndarray:
        """Return hints, int8 [tokens, width]; what an int8 does not reach is cut.

        Args:
            ids: int32 [tokens].
            states: of these tokens, [tokens, hidden].
        """
        means = self._table[torch.from_numpy(ids.astype(np.int64))].float().to(states.device)
        numbers = (normalised(states.float()) - means) @ self._directions.to(states.device)
        return numbers.round_().clamp_(-127, 127).to(torch.int8).cpu().numpy()
