"""What was measured, as a table for the terminal and as JSON."""

from collections.abc import Sequence
from typing import Any

from distill_jax.console import format_table
from scripts.benchmark.report import to_json
from scripts.benchmark.rows import Measurement, RowResult, Spread
from scripts.families.matches import BFLOAT16, INT8

HEADER = (
    "teacher",
    "float32",
    "bfloat16",
    "ONNX Runtime",
    "float32 against it",
    "spread",
    "bfloat16 against it",
    "largest difference",
    "same class",
    "exporter",
)


def table(measured: Sequence[Sequence[RowResult]]) -> str:
    """Return a line for each teacher: documents/s, our rates against ONNX Runtime's, and how far its logits are."""
    return format_table(HEADER, [_line(results) for results in measured])


def _line(results: Sequence[RowResult]) -> list[str]:
    exact, *others = results
    half = next((each for each in others if each.row.ours == BFLOAT16), None)
    cells = [exact.row.title, _rate(exact.ours), _rate(half.ours) if half else "", _rate(exact.theirs)]
    if not exact.theirs:
        return [*cells, *[""] * (len(HEADER) - len(cells))]
    figure, notes = exact.figure, exact.theirs[0].notes
    return [
        *cells,
        f"{figure.median:.2f}×",
        f"{figure.low:.2f}–{figure.high:.2f}",
        f"{half.figure.median:.2f}×" if half else "",
        f"{notes['largest_difference']:.1e}",
        f"{notes['argmax_agreement']:.1%}",
        notes["exporter"],
    ]


def remarks(measured: Sequence[Sequence[RowResult]]) -> list[str]:
    """Return a sentence for each exporter that failed, and for each teacher that ran with weights of eight bits."""
    exact = [results[0] for results in measured if results[0].theirs]
    lines = [f"{each.row.title}: {why}" for each in exact if (why := each.theirs[0].notes["refused"])]
    for result in (each for results in measured for each in results if each.row.theirs == INT8):
        notes = result.theirs[0].notes
        lines.append(
            f"{result.row.title} with weights of eight bits in ONNX Runtime: {_rate(result.theirs)} documents/s; the "
            f"same class for {notes['argmax_agreement']:.1%} of the texts; logits off by "
            f"{notes['largest_difference']:.2g} at most, where their deviation is {notes['deviation']:.2g}"
        )
    return lines


def _rate(turns: Sequence[Measurement]) -> str:
    return f"{Spread.of([turn.rate for turn in turns]).median:,.0f}" if turns else ""


def as_json(measured: Sequence[Sequence[RowResult]], refused: dict[str, str]) -> list[dict[str, Any]]:
    """Return each teacher with every turn of its sides, and why ONNX Runtime does not run it."""
    return [
        {
            "teacher": results[0].row.title,
            "refused": refused.get(results[0].row.title),
            "rows": [to_json(result) for result in results],
        }
        for results in measured
    ]
