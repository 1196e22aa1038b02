"""A choice as a page: score against bytes as a chart, the table, the recommendation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from distill_jax.choosing.candidate import Candidate
from distill_jax.choosing.choice import Choice
from distill_jax.choosing.table import FRONT, HEADER, UNKNOWN, cells
from distill_jax.reporting.chart_style import COLOURS, styled, svg
from distill_jax.reporting.html_tables import escape, numbers_table, table_line
from distill_jax.reporting.page_frame import filled, framed

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_KINDS = {"student": COLOURS[0], "baseline": COLOURS[1], "teacher": COLOURS[6]}
_WIDE, _NARROW = 660, 260
_LINE, _LETTER = 0.05, 7  # of the plot's height a line of letters; pixels a letter


def choice_page(choice: Choice) -> str:
    """Return the page, which needs nothing else, as HTML."""
    reason = escape(choice.recommendation.reason)
    return framed("choice.html", "Which student to ship", reason=reason, parts=_parts(choice))


def choice_section(choice: Choice) -> str:
    """Return the choice as a section of another page, as HTML."""
    return filled(
        "choice_section.html", reason=escape(choice.recommendation.reason), parts=_parts(choice).replace("h2>", "h3>")
    )


def _parts(choice: Choice) -> str:
    words = f"{choice.metric} against the file’s bytes of {', '.join(each.name for each in choice.candidates)}"
    return filled(
        "choice_parts.html",
        metric=escape(choice.metric),
        rows=f"{choice.rows:,}",
        limits=escape(f"{choice.limits.bytes:,} bytes and {choice.limits.latency_ms:g} ms"),
        wide=svg(choice_chart(choice, _WIDE), "choice-wide", words),
        narrow=svg(choice_chart(choice, _NARROW), "choice-narrow", words),
        table=numbers_table(
            (*HEADER, "surpassed by"), [_line(each, choice) for each in choice.candidates], "Candidates"
        ),
    )


def _line(candidate: Candidate, choice: Choice) -> str:
    name, *numbers = cells(candidate, choice)
    better = choice.surpassed_by(candidate)
    kind = "best" if candidate is choice.recommendation.candidate else "student"
    tag = ' <span class="tag">recommended</span>' if kind == "best" else ""
    last = UNKNOWN if candidate.cost.bytes is None else "nothing" if better is None else better.name
    return table_line(kind, escape(name.removesuffix(FRONT)) + tag, [escape(text) for text in (*numbers, last)])


def choice_chart(choice: Choice, width: int, height: int = 320) -> "alt.LayerChart":
    """Return the chart: score with its interval against bytes, on a logarithmic scale, and the Pareto front."""
    import altair as alt

    frame = _frame(choice, width)
    powers = [10**power for power in range(2, 13)]
    x = alt.X(
        "bytes:Q",
        title="Bytes",
        scale=alt.Scale(type="log", padding=30),
        axis=alt.Axis(format="~s", values=powers, grid=False, labelFlush=False),
    )

    def y(column: str) -> "alt.Y":
        return alt.Y(f"{column}:Q", title=choice.metric, scale=alt.Scale(zero=False, nice=True))

    def colour(legend: "alt.Legend | None") -> "alt.Color":
        return alt.Color("kind:N", scale=alt.Scale(domain=list(_KINDS), range=list(_KINDS.values())), legend=legend)

    base = alt.Chart(frame).encode(x=x)
    bars = base.mark_rule(strokeWidth=1.5).encode(y=y("low"), y2="high:Q", color=colour(None))
    points = base.mark_point(size=70, filled=True, opacity=1).encode(
        y=y("score"), color=colour(alt.Legend(title=None, orient="bottom"))
    )
    names = base.mark_text(align="left", dx=8, dy=-8, fontSize=12, limit=width // 2).encode(
        y=y("label"), text="name:N", color=colour(None)
    )
    front = (
        alt.Chart(frame[frame["front"]])
        .mark_line(interpolate="step-after", strokeWidth=1.5, strokeDash=[2, 3], color="#777")
        .encode(x=x, y=y("score"))
    )
    return styled(alt.layer(front, bars, points, names), width, height)


def _frame(choice: Choice, width: int) -> "pd.DataFrame":
    """Return the chart's rows, a candidate of known size each, the best first."""
    import pandas as pd

    sized = sorted((each for each in choice.candidates if each.cost.bytes), key=lambda each: -each.score.value)
    rows = [
        {
            "name": each.name,
            "kind": each.kind,
            "bytes": each.cost.bytes,
            "score": each.score.value,
            "low": each.score.low,
            "high": each.score.high,
            "label": height,
            "front": each in choice.front,
        }
        for each, height in zip(sized, _label_heights(sized, width), strict=True)
    ]
    return pd.DataFrame(rows)


def _label_heights(sized: Sequence[Candidate], width: int) -> list[float]:
    """Return where each candidate's name stands, in scores: a line below any better one's that it would stand on."""
    spread = max(each.score.high for each in sized) - min(each.score.low for each in sized)
    sizes = np.log10([each.cost.bytes or 1 for each in sized])
    places = width * (sizes - sizes.min()) / max(float(np.ptp(sizes)), 1.0)
    placed: list[tuple[float, float, float]] = []  # from where to where a name stands, and how high
    for each, start in zip(sized, places.tolist(), strict=True):
        stop, height = start + min(_LETTER * len(each.name), width / 2), each.score.value
        beside = [at for first, last, at in placed if first < stop and start < last]
        for at in sorted(beside, reverse=True):
            if abs(at - height) < _LINE * spread:
                height = at - _LINE * spread
        placed.append((start, stop, height))
    return [height for _, _, height in placed]
