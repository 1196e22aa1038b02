"""Charts of names that the drawing library would cut in the middle of a character."""

import altair as alt
import pandas as pd
import pytest

from distill_jax.reporting.chart_style import png, svg


def _chart(name):
    axis = alt.Axis(labelLimit=80)
    chart = alt.Chart(pd.DataFrame({"name": [name, "short"], "value": [1, 2]}))
    return alt.layer(chart.mark_point().encode(x="value:Q", y=alt.Y("name:N", axis=axis)))


@pytest.mark.parametrize("length", [1, 40, 41])
def test_a_name_of_characters_of_two_halves_is_drawn_however_long(length):
    drawn = svg(_chart("\N{GRINNING FACE}" * length), "a", "a chart")
    assert drawn.startswith("<svg ")
    assert "short" in drawn
    assert ("\N{GRINNING FACE}" in drawn) == (length == 1)  # only what would be cut has a stand-in
    assert png(_chart("\N{GRINNING FACE}" * length)).startswith(b"\x89PNG")


def test_a_long_name_of_other_characters_keeps_them():
    assert "\N{LATIN SMALL LETTER E WITH ACUTE}" in svg(_chart("\N{LATIN SMALL LETTER E WITH ACUTE}" * 60), "a", "b")


def test_marks_that_turn_a_name_s_direction_are_spelt_out():
    drawn = svg(_chart("a\N{RIGHT-TO-LEFT OVERRIDE}b"), "a", "a chart of \N{RIGHT-TO-LEFT OVERRIDE}b")
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in drawn
    assert drawn.count(r"\u202e") >= 2
