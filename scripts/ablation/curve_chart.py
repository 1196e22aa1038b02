"""The learning curve, by Altair: test accuracy by texts in the transfer set, a line a student, and the teacher."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from distill_jax.reporting.chart_style import COLOURS, line_legend, styled, teacher_layers
from distill_jax.students.registry import student_kind, student_names
from scripts.ablation.results import Row, Teacher

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd


def curve_frame(curves: Mapping[str, Sequence[Row]]) -> "pd.DataFrame":
    """Return the chart's rows: ``texts``, ``accuracy`` (mean over seeds), ``low`` and ``high`` (± sd), ``model``."""
    import pandas as pd

    rows = []
    for student, curve in curves.items():
        for row in curve:
            spread = row.spread("accuracy")
            if spread.mean is not None:
                sd = spread.sd or 0.0
                title = student_kind(student).title
                rows.append((row.variant.texts, spread.mean, spread.mean - sd, spread.mean + sd, title))
    return pd.DataFrame(rows, columns=["texts", "accuracy", "low", "high", "model"])


def curve_chart(
    curves: Mapping[str, Sequence[Row]], teacher: Teacher, train_rows: int, *, width: int = 620
) -> "alt.LayerChart | None":
    """Return the chart; None where no run has ended.

    The axis is linear from 0 to the smallest share and logarithmic beyond, so that doublings are equally wide and no
    transfer set at all has a place too.
    """
    import altair as alt

    frame = curve_frame(curves)
    if frame.empty:
        return None
    texts = sorted(frame["texts"].unique().tolist())
    scale = alt.Scale(type="symlog", constant=max(1, next(filter(None, texts), 1)), domain=[0, texts[-1]], nice=False)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "texts:Q",
            title=f"Texts in the transfer set, beside {train_rows:,} training texts",
            scale=scale,
            axis=alt.Axis(values=texts, format=",d", grid=False, labelFlush=False, labelOverlap=False),
        ),
        y=alt.Y("accuracy:Q", title="Accuracy, test split", scale=alt.Scale(zero=False, nice=True)),
    )
    domain = [student_kind(student).title for student in curves]
    # A student has the same colour whichever others are drawn beside it.
    colours = alt.Scale(domain=domain, range=[COLOURS[student_names().index(student)] for student in curves])
    legend = line_legend(domain, width)
    bands = base.mark_area(opacity=0.2).encode(
        y="low:Q", y2="high:Q", color=alt.Color("model:N", scale=colours, legend=None)
    )
    lines = base.mark_line(strokeWidth=2.5).encode(color=alt.Color("model:N", scale=colours, legend=legend))
    points = base.mark_point(size=50, filled=True, opacity=1).encode(
        color=alt.Color("model:N", scale=colours, legend=None)
    )
    return styled(alt.layer(bands, lines, points, *teacher_layers(teacher.accuracy, 0)), width, 340)
