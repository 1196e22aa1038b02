"""The chart of a report, by Altair: test macro F1 by epoch, a line a model, and the teacher's as a rule.

vl-convert draws it without a browser: as SVG, which the page holds inline and needs no JavaScript for, and as PNG.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from distill_jax.report_table import Table
    from distill_jax.run_folder import Run

# Okabe and Ito 2008, without the yellow, which is too pale for lines: told apart by colour-blind readers too.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B6B6B")
_SOLID, _DASHED = [1, 0], [6, 4]
_PNG_SCALE = 2.0
_NARROW = 480
_LEGEND_COLUMNS_BELOW = 1


def history_frame(runs: Sequence["Run"], table: "Table") -> "pd.DataFrame":
    """Return the chart's rows, those that are finite: ``epoch``, ``test_f1_macro``, ``model`` (its name in the report)."""
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
    names = [row.model for row in table.students]
    columns = 2 if width >= _NARROW else _LEGEND_COLUMNS_BELOW
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", columns=columns, symbolSize=400,
                        symbolStrokeWidth=2.5, labelFontSize=13, labelLimit=max(width // columns - 40, 80),
                        columnPadding=24)  # fmt: skip
    epochs = sorted(frame["epoch"].unique().tolist())
    lines = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=45, filled=True))
        .encode(
            x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(values=_ticks(epochs), format="d", grid=False)),
            y=alt.Y("test_f1_macro:Q", title="Macro F1, test split", scale=alt.Scale(zero=False, nice=True)),
            color=alt.Color("model:N", scale=alt.Scale(domain=names, range=_line_colours(table)), legend=legend),
            strokeDash=alt.StrokeDash("model:N", scale=alt.Scale(domain=names, range=_dashes(table)), legend=legend),
        )
    )
    return (
        alt.layer(lines, *_teacher_layers(table, epochs))
        .properties(width=width, height=height, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=13, titleFontSize=13, titleFontWeight="normal", gridColor="#8884",
                        domainColor="#888", tickColor="#888", titlePadding=10)
        .configure(font="system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif")
    )  # fmt: skip


def _teacher_layers(table: "Table", epochs: Sequence[float]) -> list["alt.Chart"]:
    import altair as alt
    import pandas as pd

    data = alt.Chart(
        pd.DataFrame(
            {
                "y": [table.teacher.macro_f1],
                "x": [min(epochs, default=0)],
                "text": [f"Teacher {table.teacher.macro_f1:.3f}"],
            }
        )
    )
    rule = data.mark_rule(strokeWidth=1.5, strokeDash=[2, 3], color="#777").encode(y="y:Q")
    text = data.mark_text(align="left", baseline="bottom", dy=-4, dx=2, fontSize=13).encode(
        y="y:Q", x="x:Q", text="text:N"
    )
    return [rule, text]


def _ticks(epochs: Sequence[float]) -> list[int]:
    """Return whole epochs to label, a dozen at most."""
    last = int(max(epochs, default=0))
    return list(range(0, last + 1, max(1, -(-(last + 1) // 12))))


def _line_colours(table: "Table") -> list[str]:
    """Return a colour for each student, the same for direct and distilled twins."""
    chosen: dict[str, str] = {}
    families = [row.twin or row.model for row in table.students]
    for family in families:
        chosen.setdefault(family, _COLOURS[len(chosen) % len(_COLOURS)])
    return [chosen[family] for family in families]


def _dashes(table: "Table") -> list[list[int]]:
    return [_SOLID if row.distilled else _DASHED for row in table.students]


def svg(chart: "alt.LayerChart", identifiers: str) -> str:
    """Return a chart as an SVG element to stand in a page; ``identifiers`` keeps its ids apart from other charts'."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(_specification(chart), vl_version=_vega_lite_version())
    return drawn.replace('id="', f'id="{identifiers}-').replace("url(#", f"url(#{identifiers}-")


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
