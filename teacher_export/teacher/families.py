"""What families of transformers want of a batch, so that each row gets the logits that it gets alone.

A family whose positions and attention heed nothing but the mask may have rows of any length in a batch, padded behind
their ends. Every other one gets rows of one length together, and no padding: then it makes no difference on which side
the family pads, what its pad token is, whether it has one, and which token its head reads. Texts are many and their
lengths few, so batches are nearly as full.
"""

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from teacher_export.teacher.tokens import padded_batch

if TYPE_CHECKING:
    from teacher_export.teacher.loading import Teacher


# The tests show of each that rows padded behind their ends have the logits that they have alone.
PADDED_FAMILIES = frozenset(
    {
        "albert",
        "bert",
        "camembert",
        "deberta-v2",
        "distilbert",
        "electra",
        "modernbert",
        "mpnet",
        "roberta",
        "xlm-roberta",
    }
)
_NO_TOKEN = -1
_PROBES = ("a", "the", "1", ".")
_TYPES = "token_type_ids"


@dataclasses.dataclass(frozen=True)
class Segments:
    """The ``token_type_ids`` that a tokenizer gives a text: those of the tokens before, in and behind it."""

    before: tuple[int, ...]
    text: int
    behind: tuple[int, ...]

    @classmethod
    def of(cls, saved_tokenizer: Any, model: Any) -> "Segments | None":
        """Return what a transformers tokenizer gives with a text; None where it, or the model, has no such thing."""
        if _TYPES not in saved_tokenizer.model_input_names or _TYPES not in inspect.signature(model.forward).parameters:
            return None
        for probe in _PROBES:
            encoding = saved_tokenizer.backend_tokenizer.encode(probe)
            own = [index for index, sequence in enumerate(encoding.sequence_ids) if sequence == 0]
            if own:
                types = tuple(encoding.type_ids)
                return cls(types[: own[0]], types[own[0]], types[own[-1] + 1 :])
        return cls((), 0, ())

    def ids(self, mask: np.ndarray) -> np.ndarray:
        """Return int64 [rows, width], 0 for padding, for rows whose tokens stand where ``mask`` is 1."""
        from_start, from_end = (
            np.cumsum(mask, axis=1) - 1,
            np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] - 1,
        )
        types = np.full(mask.shape, self.text, np.int64)
        for place, kind in enumerate(self.before):
            types[from_start == place] = kind
        for place, kind in enumerate(reversed(self.behind)):
            types[from_end == place] = kind
        return types * mask


def row_kinds(model: Any, tokens: Ragged) -> np.ndarray:
    """Return a number for each row, int64 [n]: rows of the same number may stand in one batch.

    BART's and T5's heads read the last end-of-text token, and take no rows in one batch that have it unequally often.
    """
    if model.config.model_type in PADDED_FAMILIES:
        return np.zeros(len(tokens), np.int64)
    owners = np.repeat(np.arange(len(tokens)), tokens.lengths)
    found = np.bincount(owners[np.isin(tokens.ids, _ends(model.config))], minlength=len(tokens))
    return tokens.lengths * (int(found.max(initial=0)) + 1) + found


def batch_inputs(tokens: Ragged, pad_id: int, segments: Segments | None, side: str = "right") -> dict[str, np.ndarray]:
    """Return a model's arguments for rows that stand in one batch, each int64 [rows, longest]."""
    input_ids, mask = padded_batch(tokens, pad_id, side)
    inputs = {"input_ids": input_ids, "attention_mask": mask}
    if segments is not None:
        inputs[_TYPES] = segments.ids(mask)
    return inputs


def trainable_rows(model: Any, tokens: Ragged) -> Ragged:
    """Return rows that may stand in one batch with any other: the ends inside BART's and T5's texts are left out."""
    if not model.config.is_encoder_decoder:
        return tokens
    is_last = np.zeros(len(tokens.ids), bool)
    is_last[tokens.stops[tokens.lengths > 0] - 1] = True
    return tokens.where(is_last | ~np.isin(tokens.ids, _ends(model.config)))


def require_pad_token(teacher: "Teacher") -> None:
    """Let a model to be trained, whose batches are padded, have a pad token: its own end of text, as is the custom.

    Raises:
        InputError: it has neither.
    """
    config = teacher.model.config.get_text_config()
    if getattr(config, "pad_token_id", None) is not None:
        return
    config.pad_token_id = next(iter(_ends(config)), teacher.saved_tokenizer.eos_token_id)
    if config.pad_token_id is None:
        raise InputError(
            "fine-tuning: the teacher has no pad token, and no end-of-text token to take for it; write pad_token_id "
            "in its config.json"
        )


def _ends(config: Any) -> list[int]:
    """Return the ids of the end-of-text tokens."""
    known = getattr(config, "eos_token_id", None)
    return [] if known is None else [int(each) for each in np.atleast_1d(known)]


@contextlib.contextmanager
def batches_allowed(model: Any) -> Iterator[None]:
    """Let a decoder without a pad token have batches, in which no row is padded: it would take one row at a time."""
    config = model.config.get_text_config()
    known = getattr(config, "pad_token_id", None)
    if known is not None or model.config.model_type in PADDED_FAMILIES:
        yield
        return
    config.pad_token_id = _NO_TOKEN
    try:
        yield
    finally:
        config.pad_token_id = known
