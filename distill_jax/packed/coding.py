"""How arrays become streams: numbers as whole multiples of a step, their bytes compressed by xz.

What is small is then cheap whatever it is for: columns of a table that say little, rows that seldom occur and have a
coarse step. The compression is an entropy coder for all of them, and every language has it.
"""

import dataclasses
import lzma
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from distill_jax.errors import InputError
from distill_jax.inference.table import Table

_MOST_IDS = 1 << 26
_MEMORY = 1 << 26  # of the decoder: what preset 9 asks for
_PRESET = 9 | lzma.PRESET_EXTREME
# A byte's neighbours say nothing of its bits here: without contexts the coder learns sooner.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": _PRESET, "lc": 0, "lp": 0, "pb": 0, "dict_size": 1 << 22}]
_WIDTHS = (1, 2, 4)
_MOST_AXES = 8


@dataclasses.dataclass(frozen=True)
class Quantised:
    """An array whose numbers are whole multiples of steps.

    Attributes:
        integers: int8, int16 or int32 [rows, columns], the numbers divided by the steps; an array of more axes has all
            but the last as rows.
        shape: the array's; of a table with rows that are not kept, with these.
        steps: one for each group of rows.
        groups: uint8 [rows], each one's group; None = there is one.
        kept: bool [ids], the rows of a table that are there, in whose order the integers are; None = all.
    """

    integers: np.ndarray
    shape: tuple[int, ...]
    steps: tuple[float, ...]
    groups: np.ndarray | None = None
    kept: np.ndarray | None = None

    @property
    def numbers(self) -> np.ndarray:
        """The numbers, float32 [rows, columns]."""
        with np.errstate(over="ignore"):  # a group without rows may have any step
            steps = np.array(self.steps, np.float32)
        by_row = steps[0] if self.groups is None else steps[self.groups][:, None]
        return self.integers.astype(np.float32) * by_row

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are."""
        largest = max(int(self.integers.max(initial=0)), -int(self.integers.min(initial=0)))
        with np.errstate(over="ignore", invalid="ignore"):
            bound = np.float32(largest) * np.float32(max(map(abs, self.steps)))
            return bool(np.isfinite(bound) or np.isfinite(self.numbers).all())

    def array(self) -> np.ndarray | Table:
        """Return the array, float32; a table with rows that are not kept as a ``Table``."""
        return self.numbers.reshape(self.shape) if self.kept is None else Table.kept(self.numbers, self.kept)


def quantised(
    array: np.ndarray, steps: tuple[float, ...], groups: np.ndarray | None = None, kept: np.ndarray | None = None
) -> Quantised:
    """Return the nearest multiples of an array's numbers.

    Args:
        array: float [..., columns]; the kept rows alone.
        steps: of each group.
        groups: int [rows], each one's; None = there is one.
        kept: bool [ids], the ids that the rows are of; None = of all.
    """
    rows = array.reshape(-1, array.shape[-1])
    by_row = np.array(steps)[np.zeros(len(rows), int) if groups is None else groups][:, None]
    integers = np.rint(rows / by_row).astype(np.int32)
    steps = tuple(map(float, steps))
    shape = array.shape if kept is None else (len(kept), array.shape[-1])
    return Quantised(integers, shape, steps, None if groups is None else groups.astype(np.uint8), kept)


def encoded(name: str, array: "np.ndarray | Quantised") -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what the manifest says of an array, and its streams; an array that is not quantised stays as it is."""
    about, streams = plain(name, array)
    return about, {stream: compressed(content) for stream, content in streams.items()}


def plain(name: str, array: "np.ndarray | Quantised") -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return what ``encoded`` does, with the streams as they are before they are compressed."""
    if isinstance(array, np.ndarray):
        content = np.ascontiguousarray(array, "<f4").tobytes()
        return {"coding": "float32", "shape": list(array.shape)}, {name: content}
    planes, width = _planes(array.integers)
    about: dict[str, Any] = {"coding": "quantised", "shape": list(array.shape), "steps": list(array.steps)}
    streams = {name: planes}
    about["bytes"] = width
    if array.groups is not None:
        streams[f"{name}/groups"] = array.groups.tobytes()
    if array.kept is not None:
        about["kept"] = len(array.integers)
        streams[f"{name}/kept"] = np.packbits(array.kept).tobytes()
    return about, streams


def decoded(name: str, about: Mapping[str, Any], streams: Mapping[str, bytes]) -> "np.ndarray | Quantised":
    """Return what ``encoded`` was given.

    Raises:
        InputError: the manifest and the streams do not go together.
    """
    shape = _shape(about)
    if about["coding"] == "float32":
        return np.frombuffer(decompressed(streams[name], 4 * math.prod(shape)), "<f4").reshape(shape).astype(np.float32)
    if about["coding"] != "quantised":
        raise InputError(f"{name}: expected an array of float32 or quantised numbers, got {about['coding']!r}")
    columns, kept = shape[-1], None
    rows = math.prod(shape[:-1])
    if "kept" in about:
        bits = np.frombuffer(decompressed(streams[f"{name}/kept"], -(-shape[0] // 8)), np.uint8)
        kept = np.unpackbits(bits, count=shape[0]).astype(bool)
        rows = _whole(about["kept"], shape[0])
        if int(kept.sum()) != rows:
            raise InputError(f"{name}: expected {rows} rows that are kept, got {kept.sum()}")
    steps = tuple(float(step) for step in about["steps"])
    if not steps or not all(math.isfinite(step) for step in steps):
        raise InputError(f"{name}: expected finite steps, got {about['steps']!r}")
    groups = None
    if len(steps) > 1:
        groups = np.frombuffer(decompressed(streams[f"{name}/groups"], rows), np.uint8)
        if int(groups.max(initial=0)) >= len(steps):
            raise InputError(f"{name}: expected groups below {len(steps)}, got {groups.max()}")
    width = about["bytes"]
    if width not in _WIDTHS:
        raise InputError(f"{name}: expected numbers of 1, 2 or 4 bytes, got {width!r}")
    planes = decompressed(streams[name], rows * columns * width)
    return Quantised(_integers(planes, rows, columns, width), shape, steps, groups, kept)


def compressed(content: bytes) -> bytes:
    """Return bytes in the xz format."""
    return lzma.compress(content, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=_FILTERS)


def decompressed(content: bytes, size: int) -> bytes:
    """Return the bytes, ``size`` of them, of a stream in the xz format.

    Raises:
        InputError: it is none, or of another size.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
    try:
        found = decoder.decompress(content, max_length=size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(f"expected a stream in the xz format, got another ({error})") from None
    if len(found) != size:
        raise InputError(f"expected a stream of {size:,} bytes, got {'more' if len(found) > size else len(found)}")
    if not decoder.eof or decoder.unused_data:
        raise InputError(f"expected a stream of {size:,} bytes and nothing behind it")
    return found


def _planes(integers: np.ndarray) -> tuple[bytes, int]:
    """Return integers [rows, columns] as bytes, and how many a number has.

    Small numbers of either sign have small codes (0, −1, 1, −2, …). All lowest bytes come first, a column after the
    other.
    """
    wide = integers.astype(np.int64)
    codes = np.where(wide < 0, -2 * wide - 1, 2 * wide)
    width = next(width for width in _WIDTHS if int(codes.max(initial=0)) < 1 << 8 * width)
    by_byte = np.ascontiguousarray(codes.T).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    return by_byte.T.tobytes(), width


def _integers(planes: bytes, rows: int, columns: int, width: int) -> np.ndarray:
    by_byte = np.frombuffer(planes, np.uint8).reshape(width, columns * rows)
    codes = by_byte[0].astype(f"u{width}")  # a number takes as many bytes as its code
    for place in range(1, width):
        codes |= by_byte[place].astype(codes.dtype) << codes.dtype.type(8 * place)
    signs = (codes & codes.dtype.type(1)).view(f"i{width}")
    signed = (codes >> codes.dtype.type(1)).view(f"i{width}") ^ -signs
    return np.ascontiguousarray(signed.reshape(columns, rows).T)


def _whole(value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InputError(f"expected a number from 0 to {most:,}, got {value!r}")
    return value


def _shape(about: Mapping[str, Any]) -> tuple[int, ...]:
    """Return an array's shape; of rows that are kept there is a table, which has two axes."""
    shape = tuple(_whole(extent, _MOST_IDS) for extent in about["shape"][: _MOST_AXES + 1])
    if not 1 <= len(shape) <= _MOST_AXES:
        raise InputError(f"expected an array of 1 to {_MOST_AXES} axes, got {len(about['shape'])}")
    if "kept" in about and (about["coding"] != "quantised" or len(shape) != 2):
        raise InputError(f"expected rows that are kept of a quantised table alone, got {about['coding']!r} {shape}")
    return shape


def decoded_bytes(arrays: Mapping[str, Mapping[str, Any]]) -> Iterator[int]:
    """Yield how many bytes of memory each array takes, as the manifest says it; wrong values are looked at later."""
    for about in arrays.values():
        shape = _shape(about)
        rows = _whole(about["kept"], shape[0]) if "kept" in about else math.prod(shape[:-1])
        groups = rows if len(about.get("steps", ())) > 1 else 0
        yield 4 * (rows * shape[-1] + (shape[0] if "kept" in about else 0)) + groups
