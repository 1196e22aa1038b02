"""How charts look, and how they become SVG and PNG."""

import json
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from distill_jax.errors import printable

if TYPE_CHECKING:
    import altair as alt


# Okabe and Ito 2008, without the yellow, which is too pale for lines: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B6B6B")
SOLID, DASHED = [1, 0], [6, 4]
_PNG_SCALE = 2.0
_PNG_HEADER = 33  # bytes before the first chunk that may be any
PNG_MARK = b"tEXtSoftware\0distill-jax"
"""What every picture of ours has in its beginning: a chunk of text, without its length and its checksum."""
_TWO_HALVES = re.compile("[\U00010000-\U0010ffff]")  # characters of two UTF-16 units
_LETTER_WIDTH = 8  # pixels, at 13 px: a little more than most letters take
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


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


def svg(chart: "alt.LayerChart", identifiers: str, description: str) -> str:
    """Return a chart as an SVG element to stand in a page.

    Args:
        chart: what to draw.
        identifiers: a word that keeps the element's ids apart from those of other charts in the page.
        description: the chart in words, for who cannot see it.
    """
    import html

    import vl_convert

    drawn: str = _drawn(vl_convert.vegalite_to_svg, _specification(chart))
    drawn = drawn.replace('id="', f'id="{identifiers}-').replace("url(#", f"url(#{identifiers}-")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{html.escape(printable(description))}" ', 1)


def png(chart: "alt.LayerChart") -> bytes:
    """Return a chart as a PNG picture on white, at twice its size, that says what has drawn it."""
    import vl_convert

    specification = {**_specification(chart), "background": "white"}
    drawn: bytes = _drawn(vl_convert.vegalite_to_png, specification, scale=_PNG_SCALE)
    return _marked(drawn)


def _marked(picture: bytes) -> bytes:
    """Return a PNG picture with ``PNG_MARK`` as a chunk of text behind its header."""
    chunk = struct.pack(">I", len(PNG_MARK) - 4) + PNG_MARK + struct.pack(">I", zlib.crc32(PNG_MARK))
    return picture[:_PNG_HEADER] + chunk + picture[_PNG_HEADER:]


def _drawn(convert: Callable[..., Any], specification: dict[str, Any], **options: Any) -> Any:
    """Return what ``vl_convert`` makes of a chart.

    Vega shortens a long name where it will, also between the halves of a character beyond U+FFFF, and then fails; such
    names are drawn with a stand-in for these characters.
    """
    try:
        return convert(specification, vl_version=_vega_lite_version(), **options)
    except ValueError:
        text = _TWO_HALVES.sub("\N{REPLACEMENT CHARACTER}", json.dumps(specification, ensure_ascii=False))
        return convert(json.loads(text), vl_version=_vega_lite_version(), **options)


def _specification(chart: "alt.LayerChart") -> dict[str, Any]:
    specification: dict[str, Any] = _escaped(chart.to_dict())
    return specification


def _escaped(value: Any) -> Any:
    """Return a specification whose texts have their control characters and direction marks spelt out."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    return [_escaped(each) for each in value] if isinstance(value, list) else value


def _vega_lite_version() -> str:
    """Return the Vega-Lite version that Altair writes, as vl-convert names it: ``6.1``."""
    import altair as alt

    major, minor = alt.SCHEMA_VERSION.lstrip("v").split(".")[:2]
    return f"{major}.{minor}"
