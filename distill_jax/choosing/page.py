"""A choice as a page: score against bytes as a chart, the table, the recommendation."""

from typing import TYPE_CHECKING

from distill_jax.choosing.choice import Choice
from distill_jax.choosing.table import HEADER, cells
from distill_jax.reporting.chart_style import COLOURS, styled, svg
from distill_jax.reporting.html_tables import escape, numbers_table, table_line
from distill_jax.reporting.page_frame import framed

if TYPE_CHECKING:
    import altair as alt

_KINDS = {"student": COLOURS[0], "baseline": COLOURS[1], "teacher": COLOURS[6]}
_WIDE, _NARROW = 660, 260


def choice_page(choice: Choice) -> str:
    """Return the page, which needs nothing else, as HTML."""
    lines = []
    for each in choice.candidates:
        name, *numbers = cells(each, choice)
        kind = "teacher" if each.kind == "teacher" else "student"
        lines.append(table_line(kind, escape(name), [escape(number) for number in numbers]))
    words = f"{choice.metric} against the file’s bytes of {', '.join(each.name for each in choice.candidates)}"
    return framed(
        "choice.html",
        "Which student to ship",
        reason=escape(choice.recommendation.reason),
        metric=escape(choice.metric),
        rows=f"{choice.rows:,}",
        limits=escape(f"{choice.limits.bytes:,} bytes and {choice.limits.latency_ms:g} ms"),
        wide=svg(choice_chart(choice, _WIDE), "wide", words),
        narrow=svg(choice_chart(choice, _NARROW), "narrow", words),
        table=numbers_table(HEADER, lines, "Candidates"),
    )


def choice_chart(choice: Choice, width: int, height: int = 320) -> "alt.LayerChart":
    """Return the chart: score with its interval against bytes, on a logarithmic scale, and the Pareto front."""
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame(
        {
            "name": each.name,
            "kind": each.kind,
            "bytes": each.cost.bytes,
            "score": each.score.value,
            "low": each.score.low,
            "high": each.score.high,
            "front": each in choice.front,
        }
        for each in choice.candidates
        if each.cost.bytes
    )
    x = alt.X(
        "bytes:Q", title="Bytes", scale=alt.Scale(type="log", padding=30), axis=alt.Axis(format="~s", tickCount=5)
    )
    scale = alt.Scale(zero=False, nice=True)
    base = alt.Chart(frame).encode(x=x)
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=list(_KINDS), range=list(_KINDS.values())),
        legend=alt.Legend(title=None, orient="bottom"),
    )
    bars = base.mark_rule(strokeWidth=1.5).encode(
        y=alt.Y("low:Q", scale=scale, title=choice.metric), y2="high:Q", color=colour
    )
    points = base.mark_point(size=70, filled=True, opacity=1).encode(y=alt.Y("score:Q", scale=scale), color=colour)
    names = base.mark_text(align="left", dx=8, dy=-8, fontSize=12, limit=width // 3).encode(
        y=alt.Y("score:Q", scale=scale), text="name:N", color=colour
    )
    front = (
        alt.Chart(frame[frame["front"]])
        .mark_line(interpolate="step-after", strokeWidth=1.5, strokeDash=[2, 3], color="#777")
        .encode(x=x, y=alt.Y("score:Q", scale=scale))
    )
    return styled(alt.layer(front, bars, points, names), width, height)
