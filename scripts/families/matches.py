"""A teacher's match: our pass in float32, and in bfloat16 where that is fast, beside ONNX Runtime's in float32."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distill_jax.console import warn
from distill_jax.errors import InputError
from scripts.benchmark.matches import RefusedError, play
from scripts.benchmark.rows import Match, Row, RowResult, Side
from scripts.families.catalogue import Size

_OURS, _THEIRS = ("torch", "transformers"), ("torch", "transformers", "onnx", "onnxruntime", "onnxscript")
FLOAT32, BFLOAT16, ONNX, INT8 = "float32", "bfloat16", "onnx", "int8"


def match_of(teacher: str, size: Size, folder: Path, *, bfloat16: bool, int8: bool) -> Match:
    """Return a teacher's match.

    Args:
        teacher: a family's name, or the folder of a fine-tuned teacher.
        size: of a family's model; and how many texts are read.
        folder: takes our float32 logits, with which all others are compared.
        bfloat16: whether our pass is measured in it, too.
        int8: whether ONNX Runtime is measured with weights of eight bits, too.
    """
    common = {"teacher": teacher, "size": dataclasses.asdict(size), "folder": str(folder)}
    sides = {FLOAT32: _side("our_pass", {**common, "precision": "float32"}, _OURS)}
    if bfloat16:
        sides[BFLOAT16] = _side("our_pass", {**common, "precision": "bfloat16"}, _OURS)
    sides[ONNX] = _side("onnx_pass", common, _THEIRS)
    if int8:
        sides[INT8] = _side("onnx_pass", {**common, "int8": True}, _THEIRS)
    pairs = [(ours, ONNX) for ours in (FLOAT32, BFLOAT16) if ours in sides] + [(FLOAT32, INT8)] * int8
    title = Path(teacher).name
    return Match(
        sides, tuple(Row(f"{title}, {ours}, {theirs}", title, "documents", ours, theirs) for ours, theirs in pairs)
    )


def _side(function: str, settings: dict[str, Any], packages: tuple[str, ...]) -> Side:
    return Side(f"scripts.families.sides:{function}", settings, packages=packages)


def results_of(match: Match, repeats: int, advance: Callable[[], object]) -> tuple[list[RowResult], str | None]:
    """Return a match's results; where ONNX Runtime cannot run the teacher, ours alone and the reason.

    Raises:
        InputError: we cannot run it either.
    """
    try:
        return play(match, match.rows, repeats, advance), None
    except RefusedError as error:
        warn(f"{match.rows[0].title}: {error}")
        alone = [dataclasses.replace(row, theirs=None) for row in match.rows if row.theirs == ONNX]
        try:
            return play(match, alone, repeats), str(error)
        except RefusedError as own:
            raise InputError(str(own)) from None
