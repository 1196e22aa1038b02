"""Which parts a process is asked for: numbers, ranges, a shard of all; and how such a choice is written."""

import re
from collections.abc import Iterable, Sequence

from distill_jax.errors import InputError
from distill_jax.shards import shard_of

_RANGE = re.compile(r"(?P<first>\d{1,9})(?:(?:-|\.\.|…)(?P<last>\d{1,9}))?")
_RANGES_SHOWN = 8


def chosen_parts(words: Sequence[str], shard: str | None, total: int) -> list[int]:
    """Return the numbers of the parts that are asked for, in their order, each once.

    Args:
        words: ``7`` or ``3-9``, both ends included; none = all.
        shard: ``I/N``, I from 0 to N - 1: of those chosen the I-th and each N-th after it.
        total: how many parts there are.

    Raises:
        InputError: a word is no number or range, or beyond the last part.
    """
    found: set[int] = set() if words else set(range(total))
    for word in words:
        match = _RANGE.fullmatch(word)
        if match is None:
            raise InputError(f"part {word}: expected a part's number or a range such as 0-99, got {word!r}")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if not first <= last < total:
            raise InputError(f"part {word}: expected numbers from 0 to {total - 1}, the smaller first, got {word}")
        found.update(range(first, last + 1))
    numbers = sorted(found)
    if shard is None:
        return numbers
    mine = shard_of(shard)
    if mine is None:
        raise InputError(f"--shard {shard}: expected I/N with I from 0 to N - 1, such as 0/4, got {shard!r}")
    return numbers[mine]


def as_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as ranges, the first ones of many: ``0-3 7``."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_RANGES_SHOWN]]
    return " ".join(shown) + (" …" if len(ranges) > _RANGES_SHOWN else "")
