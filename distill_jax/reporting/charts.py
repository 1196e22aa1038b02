"""The main chart of a report, by Altair: test macro F1 by epoch, a line a model, and the teacher's as a rule.

vl-convert draws it without a browser: as SVG, which the page holds inline and needs no JavaScript for, and as PNG.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from distill_jax.reporting.chart_style import COLOURS, DASHED, SOLID, line_legend, styled, teacher_layers

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from distill_jax.reporting.table import Table
    from distill_jax.reporting.task_table import TaskTable
    from distill_jax.runs.folder import Run


def history_frame(runs: Sequence["Run"], table: "Table | TaskTable", column: str = "test_f1_macro") -> "pd.DataFrame":
    """Return the chart's rows, those that are finite: ``epoch``, the column, ``model`` (the report's name)."""
    import numpy as np
    import pandas as pd

    frames = [run.history[["epoch", column]].assign(model=row) for run, row in zip(runs, _models(table), strict=True)]
    frame = pd.concat(frames, ignore_index=True)
    return frame[np.isfinite(frame[column])]


def history_chart(
    runs: Sequence["Run"],
    table: "Table | TaskTable",
    *,
    width: int,
    height: int = 320,
    column: str = "test_f1_macro",
    title: str = "Macro F1",
    teacher: float | None = None,
) -> "alt.LayerChart":
    """Return the notebook's chart; a distilled student has its direct twin's colour, whose line is dashed.

    Args:
        runs: the runs.
        table: their numbers.
        width: of the plot, in pixels.
        height: likewise.
        column: of the history, which is drawn.
        title: its name.
        teacher: the teacher's score; None = its macro F1.
    """
    import altair as alt

    frame = history_frame(runs, table, column)
    score = _macro_f1(table) if teacher is None else teacher
    epochs = sorted(frame["epoch"].unique().tolist())
    base = alt.Chart(frame).encode(
        x=alt.X(
            "epoch:Q", title="Epoch", axis=alt.Axis(values=_ticks(epochs), format="d", grid=False, labelFlush=False)
        ),
        y=alt.Y(f"{column}:Q", title=f"{title}, test split", scale=alt.Scale(zero=False, nice=True)),
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
    return styled(alt.layer(lines, points, *teacher_layers(score, min(epochs, default=0))), width, height)


def _macro_f1(table: "Table | TaskTable") -> float:
    from distill_jax.reporting.table import Table

    assert isinstance(table, Table)  # of other tasks the score is given
    return table.teacher.macro_f1


def _models(table: "Table | TaskTable") -> list[str]:
    return [row.model for row in table.students]


def _come_in_pairs(table: "Table | TaskTable") -> bool:
    """Whether every two students that follow each other, counted from the first, are twins."""
    families = [row.twin or row.model for row in table.students]
    return len(families) % 2 == 0 and families[::2] == families[1::2]


def _ticks(epochs: Sequence[float]) -> list[int]:
    """Return whole epochs to label, a dozen at most."""
    last = int(max(epochs, default=0))
    return list(range(0, last + 1, max(1, -(-(last + 1) // 12))))


def line_colours(table: "Table | TaskTable") -> list[str]:
    """Return a colour for each student, the same for direct and distilled twins."""
    chosen: dict[str, str] = {}
    families = [row.twin or row.model for row in table.students]
    for family in families:
        chosen.setdefault(family, COLOURS[len(chosen) % len(COLOURS)])
    return [chosen[family] for family in families]


def line_dashes(table: "Table | TaskTable") -> list[list[int]]:
    """Return a dash pattern for each student: solid for the distilled."""
    return [SOLID if row.distilled else DASHED for row in table.students]


# A bin of fewer rows than this share of the test split says little, and its point jumps about.
_LEAST_SHARE = 0.005
_TEACHER_COLOUR = "#6B6B6B"


def reliability_frame(table: "Table") -> "pd.DataFrame":
    """Return the plot's rows, a bin each: ``confidence``, ``accuracy``, ``rows``, ``model``; no almost empty ones.

    They are of the probabilities that a model gives: by its temperature where it has one.
    """
    import pandas as pd

    frames = []
    for row in table.rows:
        curve = row.measures.calibrated
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
