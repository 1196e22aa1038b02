"""What was measured, as a table for the terminal, as JSON, and as a chart."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from distill_jax.console import format_table
from scripts.benchmark.rows import Measurement, RowResult, Spread

if TYPE_CHECKING:
    import altair as alt


HEADER = ("row", "ours", "theirs", "ratio", "spread", "at least", "aim", "met")
_COLOURS = {"aim reached": "#009E73", "met": "#0072B2", "not met": "#D55E00"}


def table(results: Sequence[RowResult]) -> str:
    """Return the table: medians, the spread of the ratio over the turns, targets, and whether they are met."""
    return format_table(HEADER, [_cells(result) for result in results])


def _cells(result: RowResult) -> list[str]:
    row, figure = result.row, result.figure
    if row.in_seconds:
        ours, theirs, ratio = f"{figure.median:.2f} s", "", ""
        spread, targets = (
            f"{figure.low:.2f}–{figure.high:.2f} s",
            [_or_nothing(row.at_least, " s"), _or_nothing(row.aim, " s")],
        )
    else:
        ours = f"{_number(_rates(result.ours).median)} {row.unit}/s"
        theirs = f"{_number(_rates(result.theirs).median)}" if result.theirs else ""
        ratio, spread = f"{_number(figure.median)}×", f"{_number(figure.low)}–{_number(figure.high)}"
        if row.theirs is None:
            ratio = ""
        targets = [_or_nothing(row.at_least, "×"), _or_nothing(row.aim, "×")]
    return [row.name, ours, theirs, ratio, spread, *targets, verdict(result)]


def notes(results: Sequence[RowResult]) -> list[str]:
    """Return a line for each row whose turns noted more than their time: the medians of what was noted."""
    lines = []
    for result in results:
        noted = {name: Spread.of([turn.notes[name] for turn in result.ours]).median for name in result.ours[0].notes}
        if noted:
            figures = ", ".join(f"{name.replace('_', ' ')} {value:,.4g}" for name, value in noted.items())
            lines.append(f"{result.row.name}: {figures}")
    return lines


def verdict(result: RowResult) -> str:
    """Return ``aim reached``, ``met``, ``not met``, or nothing where nothing is asked."""
    if result.reaches(result.row.aim):
        return "aim reached"
    met = result.reaches(result.row.at_least)
    return "" if met is None else "met" if met else "not met"


def _number(value: float) -> str:
    """Return three significant digits or all before the point: ``0.213``, ``8.11``, ``1,203``."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _or_nothing(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:,g}{unit}"


def _rates(turns: Sequence[Measurement]) -> Spread:
    return Spread.of([turn.rate for turn in turns])


def to_json(result: RowResult) -> dict[str, Any]:
    """Return a row with its targets, its figure and every turn of both sides."""
    return {
        **dataclasses.asdict(result.row),
        "figure": dataclasses.asdict(result.figure),
        "met": result.reaches(result.row.at_least),
        "aim_reached": result.reaches(result.row.aim),
        "ours": _side_to_json(result.ours),
        "theirs": _side_to_json(result.theirs) if result.theirs else None,
        "warm_up_seconds": dict(result.warm_up),
    }


def _side_to_json(turns: Sequence[Measurement]) -> dict[str, Any]:
    return {"rate": dataclasses.asdict(_rates(turns)), "turns": [dataclasses.asdict(turn) for turn in turns]}


def chart(results: Sequence[RowResult], *, width: int = 560) -> "alt.LayerChart | None":
    """Return bars of how many times over each row meets what is asked at least, the aims marked; None without any."""
    import altair as alt
    import pandas as pd

    asked = [result for result in results if result.row.at_least is not None]
    if not asked:
        return None
    frame = pd.DataFrame([_bar(result) for result in asked])
    names = alt.Y("title:N", title=None, sort=None, axis=alt.Axis(labelLimit=420, ticks=False, domain=False))
    base = alt.Chart(frame).encode(y=names)
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    title = "times what is asked at least (mark: the aim)"
    bars = base.mark_bar(height=16).encode(x=alt.X("share:Q", title=title), color=colour)
    aims = base.mark_tick(color="black", thickness=2, size=22).encode(x="aim:Q")
    numbers = base.mark_text(align="left", dx=4, fontSize=12).encode(x="share:Q", text="label:N")
    line = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_rule(strokeDash=[4, 3], color="#555").encode(x="x:Q")
    return (
        alt.layer(bars, line, aims, numbers)
        .properties(width=width, height=alt.Step(30))
        .configure(axis={"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}, view={"stroke": None})
    )


def _bar(result: RowResult) -> dict[str, Any]:
    row, median = result.row, result.figure.median
    assert row.at_least is not None

    def share(value: float) -> float:
        assert row.at_least is not None
        return row.at_least / value if row.in_seconds else value / row.at_least

    label = f"{median:.2f} s" if row.in_seconds else f"{_number(median)}×"
    aim = None if row.aim is None else share(row.aim)
    return {"title": row.title, "share": share(median), "aim": aim, "label": label, "verdict": verdict(result)}
