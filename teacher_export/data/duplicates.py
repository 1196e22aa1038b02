"""Training rows whose text another row has: left out where that is asked for."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from distill_jax.errors import InputError
from teacher_export.data.side_columns import TRAIN
from teacher_export.data.splitting import Drawn
from teacher_export.data.streaming import LabelledRows
from teacher_export.data.texts_on_disk import taken

REPEATED = "repeated text"


def without_repeats(source: LabelledRows, drawn: Drawn, texts: Sequence[str]) -> tuple[LabelledRows, Drawn]:
    """Leave out the training rows whose text another split has, or an earlier training row, and count them.

    The other splits stay as they are: scores of two exports are then of the same rows. Texts are equal where they are
    word for word.

    Args:
        source: what is known of all rows.
        drawn: those kept, and where they go.
        texts: theirs.

    Raises:
        InputError: no training row is left.
    """
    others = [places for name, places in drawn.splits.items() if name != TRAIN]
    seen = {text for places in others for text in taken(texts, places)}
    kept, train = [], np.arange(len(drawn.rows))[drawn.splits[TRAIN]]
    for place, text in zip(train.tolist(), taken(texts, train), strict=True):
        if text not in seen:
            seen.add(text)
            kept.append(place)
    repeated = len(train) - len(kept)
    if not repeated:
        return source, drawn
    if not kept:
        raise InputError(
            "--drop-duplicates leaves no training row: every training text stands in another split too; give other "
            "files, or leave the option out"
        )
    dropped = {**source.dropped, REPEATED: repeated}
    splits = {**drawn.splits, TRAIN: np.array(kept)}
    return dataclasses.replace(source, dropped=dropped), dataclasses.replace(drawn, splits=splits)
