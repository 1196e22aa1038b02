"""Changes of a file's bytes."""

from pathlib import Path
from typing import TYPE_CHECKING

from scripts.fuzz.mutations.values import Draw

if TYPE_CHECKING:
    from collections.abc import Callable


_MAGIC = (
    *(
        b"\0",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\0" * 64,
        b"\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\n",
        b"\r\n",
        b'"',
        b",",
    ),
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x93NUMPY", b"PAR1", b"\x1f\x8b", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"{", b"[" * 3_000, b"}", b"NaN", b"1e999", b"9" * 5_000, b'"\\ud800"', b"\x7f\xff\xff\xff", b"\x01\0\0\0"),
)
_MOST = 1 << 22  # bytes of a mutated file


def change_bytes(path: Path, draw: Draw, others: list[Path]) -> str:
    """Flip, cut, repeat, insert or replace bytes."""
    content = path.read_bytes()
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.choice((1, 2, 8, 100, 10_000)))
    before, chosen, after = content[:start], content[start:end], content[end:]

    def flipped() -> bytes:
        new = bytearray(content)
        for _ in range(draw.choice((1, 1, 8)) if content else 0):
            new[draw.randrange(len(new))] ^= 1 << draw.randrange(8)
        return bytes(new)

    def spliced() -> bytes:
        other = draw.choice(others).read_bytes()
        return before + other[draw.randrange(len(other) + 1) :]

    makers: dict[str, Callable[[], bytes]] = {
        "flip": flipped,
        "set": lambda: before + bytes([draw.randrange(256)]) + content[start + 1 :],
        "cut": lambda: before + after,
        "end": lambda: before,
        "repeat": lambda: before + chosen * draw.choice((2, 3, 50)) + after,
        "insert": lambda: before + draw.choice(_MAGIC) + content[start:],
        "replace": lambda: before + draw.choice(_MAGIC) + after,
        "splice": spliced,
        "zero": lambda: before + bytes(len(chosen)) + after,
        "empty": lambda: b"",
    }
    kind = draw.choice(("flip", "flip", *makers))
    path.write_bytes(makers[kind]()[:_MOST])
    return f"bytes: {kind} at {start}"
