"""The reliability plot of a report, by Altair: how often a model is right against how sure it says it is."""

from typing import TYPE_CHECKING

from distill_jax.report_charts import SOLID, line_colours, line_dashes, line_legend, styled

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from distill_jax.report_table import Table

# A bin of fewer rows than this share of the test split says little, and its point jumps about.
_LEAST_SHARE = 0.005
_TEACHER_COLOUR = "#6B6B6B"


def reliability_frame(table: "Table") -> "pd.DataFrame":
    """Return the plot's rows, a bin each: ``confidence``, ``accuracy``, ``rows``, ``model``; no almost empty ones."""
    import pandas as pd

    frames = []
    for row in table.rows:
        curve = row.measures.reliability
        columns = {"confidence": curve.confidence, "accuracy": curve.accuracy, "rows": curve.rows}
        frames.append(pd.DataFrame({**columns, "model": row.model}))
    frame = pd.concat(frames, ignore_index=True)
    return frame[frame["rows"] >= _LEAST_SHARE * table.test_rows]


def reliability_chart(table: "Table", *, width: int, height: int = 320) -> "alt.LayerChart":
    """Return the plot: a line a model in its colour of the history's chart, the teacher's grey, and the diagonal."""
    import altair as alt
    import pandas as pd

    share = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(format="%", tickCount=5, labelFlush=False)}
    base = alt.Chart(reliability_frame(table)).encode(
        x=alt.X("confidence:Q", title="Confidence", **share), y=alt.Y("accuracy:Q", title="Accuracy", **share)
    )
    names = [row.model for row in table.rows]
    legend = line_legend(names, width)
    colours = alt.Scale(domain=names, range=[_TEACHER_COLOUR, *line_colours(table)])
    dashes = alt.Scale(domain=names, range=[SOLID, *line_dashes(table)])
    lines = base.mark_line(strokeWidth=2).encode(
        color=alt.Color("model:N", scale=colours, legend=legend),
        strokeDash=alt.StrokeDash("model:N", scale=dashes, legend=legend),
    )
    points = base.mark_point(size=30, filled=True, opacity=1).encode(
        color=alt.Color("model:N", scale=colours, legend=None)
    )
    diagonal = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
        .mark_line(strokeWidth=1.5, strokeDash=[2, 3], color="#777")
        .encode(x="x:Q", y="y:Q")
    )
    return styled(alt.layer(diagonal, lines, points), width, height)
