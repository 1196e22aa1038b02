"""Texts, numbers and values that a field may not be made for."""

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


Draw = random.Random

HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "\0",
        "\x1b[31m",
        "\ud800",
        "a\ud800b",
        "\u202egnp",
        "\ufeff",
        "\r",
        "\n",
        "\u2028",
        '"',
        "'",
        "=1+1",
        "[SEP]",
    ),
    *(
        "nan",
        "NaN",
        "Infinity",
        "-1",
        "1e999",
        "0x10",
        "None",
        "null",
        "../../x",
        "/etc/passwd",
        "a[0-9]*",
        "\\",
        "%s%n",
    ),
    *("x" * 70_000, "word " * 3_000, "\u0301" * 500, "\U0001f600" * 50),
)
NUMBERS = (0, 1, -1, 2, 127, 255, 65_536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 10**30, 10**5_000)
FLOATS = (0.5, -0.0, 1e-320, 1e308, 3.5e38, float("nan"), float("inf"), -float("inf"))


def hostile_value(draw: Draw, old: Any = None) -> Any:
    """Return a value that a field may not be made for."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: draw.choice((None, True, False)),
        lambda: draw.choice(NUMBERS) * draw.choice((1, -1)),
        lambda: draw.choice(FLOATS),
        lambda: draw.choice(HOSTILE_TEXTS),
        lambda: draw.choice(([], {}, [[]], [{}], {"": None}, [None], ["a", "a"], [1, "a"], {"a": 1})),
        lambda: [old] * draw.choice((1, 2, 300)),
        lambda: {"name": old},
        lambda: _near(draw, old),
    )
    return draw.choice(makers)()


def _near(draw: Draw, old: Any) -> Any:
    """Return a value that is nearly another one."""
    if isinstance(old, bool | int | float):
        return draw.choice((old + 1, old - 1, -old, old * 2, str(old)))
    if isinstance(old, str):
        return draw.choice((old + "x", old[:-1], old.upper(), old * 2, old + "\n"))
    return draw.choice(NUMBERS)
