"""Training rows whose text another row has: left out where that is asked for."""

import dataclasses

import numpy as np

from distill_jax.errors import InputError
from teacher_export.data.side_columns import TRAIN
from teacher_export.data.splitting import Drawn
from teacher_export.data.streaming import LabelledRows

REPEATED = "repeated text"


def without_repeats(source: LabelledRows, drawn: Drawn, texts: list[str]) -> tuple[LabelledRows, Drawn]:
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
    seen = {texts[place] for name, places in drawn.splits.items() if name != TRAIN for place in places.tolist()}
    kept = []
    for place in drawn.splits[TRAIN].tolist():
        if texts[place] not in seen:
            seen.add(texts[place])
            kept.append(place)
    repeated = len(drawn.splits[TRAIN]) - len(kept)
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
