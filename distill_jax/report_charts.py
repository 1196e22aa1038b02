"""The main chart of a report, by Altair: test macro F1 by epoch, a line a model, and the teacher's as a rule.

vl-convert draws it without a browser: as SVG, which the page holds inline and needs no JavaScript for, and as PNG.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from distill_jax.report_table import Table
    from distill_jax.runs.folder import Run

# Okabe and Ito 2008, without the yellow, which is too pale for lines: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B6B6B")
SOLID, DASHED = [1, 0], [6, 4]
_PNG_SCALE = 2.0
_LETTER_WIDTH = 8  # pixels, at 13 px: a little more than most letters take
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


def history_frame(runs: Sequence["Run"], table: "Table") -> "pd.DataFrame":
    """Return the chart's rows, those that are finite: ``epoch``, ``test_f1_macro``, ``model`` (the report's name)."""
    import numpy as np
    import pandas as pd

    frames = [
        run.history[["epoch", "test_f1_macro"]].assign(model=row.model)
        for run, row in zip(runs, table.students, strict=True)
    ]
    frame = pd.concat(frames, ignore_index=True)
    return frame[np.isfinite(frame["test_f1_macro"])]


def history_chart(runs: Sequence["Run"], table: "Table", *, width: int, height: int = 320) -> "alt.LayerChart":
    """Return the notebook's chart; a distilled student has its direct twin's colour, whose line is dashed."""
    import altair as alt

    frame = history_frame(runs, table)
    epochs = sorted(frame["epoch"].unique().tolist())
    base = alt.Chart(frame).encode(
        x=alt.X(
            "epoch:Q", title="Epoch", axis=alt.Axis(values=_ticks(epochs), format="d", grid=False, labelFlush=False)
        ),
        y=alt.Y("test_f1_macro:Q", title="Macro F1, test split", scale=alt.Scale(zero=False, nice=True)),
    )
    domain = [row.model for row in table.students]
    legend = line_legend(domain, width, pairs=_come_in_pairs(table))
    colour = alt.Scale(domain=domain, range=line_colours(table))
    lines = base.mark_line(strokeWidth=2.5).encode(
        color=alt.Color("model:N", scale=colour, legend=legend),
        strokeDash=alt.StrokeDash("model:N", scale=alt.Scale(domain=domain, range=line_dashes(table)), legend=legend),
    )
    points = base.mark_point(size=40, filled=True, opacity=1).encode(
        color=alt.Color("model:N", scale=colour, legend=None)
    )
    return styled(
        alt.layer(lines, points, *teacher_layers(table.teacher.macro_f1, min(epochs, default=0))), width, height
    )


def styled(chart: "alt.LayerChart", width: int, height: int) -> "alt.LayerChart":
    """Return a chart of lines with the report's size, type and greys; colours and dashes have one legend."""
    axis = {"labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal", "titlePadding": 10}
    colours = {"gridColor": "#88888844", "domainColor": "#888888", "tickColor": "#888888"}
    return (
        chart.resolve_legend(color="independent", strokeDash="independent")
        .properties(width=width, height=height, background="transparent")
        .configure(font=_FONTS, axis={**axis, **colours}, view={"stroke": None})
    )


def line_legend(names: Sequence[str], width: int, *, pairs: bool = False) -> "alt.Legend":
    """Return a legend below the plot, in as many columns as the longest of the lines' names leaves room for.

    Args:
        names: the lines' names, in the order of the legend.
        width: the plot's, in pixels.
        pairs: names come in twos, which stand side by side where they do not all fit one row.
    """
    import altair as alt

    longest = max(map(len, names))
    columns = max(1, min(4, width // (longest * _LETTER_WIDTH + 70)))
    if pairs and len(names) > columns > 1:
        columns -= columns % 2
    return alt.Legend(
        title=None,
        orient="bottom",
        direction="horizontal",
        columns=columns,
        symbolType="stroke",
        symbolSize=700,
        symbolStrokeWidth=2.5,
        labelFontSize=13,
        labelLimit=max(width // columns - 60, 80),
        columnPadding=24 + 2 * longest,  # a reader's font may be wider than the one measured
        rowPadding=6,
        offset=16,
    )


def _come_in_pairs(table: "Table") -> bool:
    """Whether every two students that follow each other, counted from the first, are twins."""
    families = [row.twin or row.model for row in table.students]
    return len(families) % 2 == 0 and families[::2] == families[1::2]


def teacher_layers(score: float, left: float) -> list["alt.Chart"]:
    """Return a dotted rule at the teacher's score, and its name and the score at the plot's left end."""
    import altair as alt
    import pandas as pd

    data = alt.Chart(pd.DataFrame({"y": [score], "x": [left], "text": [f"Teacher {score:.3f}"]}))
    rule = data.mark_rule(strokeWidth=1.5, strokeDash=[2, 3], color="#777").encode(y="y:Q")
    text = data.mark_text(align="left", baseline="bottom", dy=-4, dx=2, fontSize=13).encode(
        y="y:Q", x="x:Q", text="text:N"
    )
    return [rule, text]


def _ticks(epochs: Sequence[float]) -> list[int]:
    """Return whole epochs to label, a dozen at most."""
    last = int(max(epochs, default=0))
    return list(range(0, last + 1, max(1, -(-(last + 1) // 12))))


def line_colours(table: "Table") -> list[str]:
    """Return a colour for each student, the same for direct and distilled twins."""
    chosen: dict[str, str] = {}
    families = [row.twin or row.model for row in table.students]
    for family in families:
        chosen.setdefault(family, COLOURS[len(chosen) % len(COLOURS)])
    return [chosen[family] for family in families]


def line_dashes(table: "Table") -> list[list[int]]:
    """Return a dash pattern for each student: solid for the distilled."""
    return [SOLID if row.distilled else DASHED for row in table.students]


def svg(chart: "alt.LayerChart", identifiers: str, description: str) -> str:
    """Return a chart as an SVG element to stand in a page.

    Args:
        chart: what to draw.
        identifiers: a word that keeps the element's ids apart from those of other charts in the page.
        description: the chart in words, for who cannot see it.
    """
    import html

    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(_specification(chart), vl_version=_vega_lite_version())
    drawn = drawn.replace('id="', f'id="{identifiers}-').replace("url(#", f"url(#{identifiers}-")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{html.escape(description)}" ', 1)


def png(chart: "alt.LayerChart") -> bytes:
    """Return a chart as a PNG picture on white, at twice its size."""
    import vl_convert

    specification = {**_specification(chart), "background": "white"}
    drawn: bytes = vl_convert.vegalite_to_png(specification, vl_version=_vega_lite_version(), scale=_PNG_SCALE)
    return drawn


def _specification(chart: "alt.LayerChart") -> dict[str, Any]:
    specification: dict[str, Any] = chart.to_dict()
    return specification


def _vega_lite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it: ``6.1``."""
    import altair as alt

    major, minor = alt.SCHEMA_VERSION.lstrip("v").split(".")[:2]
    return f"{major}.{minor}"
