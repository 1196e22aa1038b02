"""A shard: the share of numbered work that one of several processes does, as a scheduler's array job is told it."""

import re

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


def shard_of(text: str) -> slice | None:
    """Return which of a list's items the shard ``I/N`` has: the I-th, I from 0 to N - 1, and each N-th after it.

    None where the text is no such shard.
    """
    found = _SHARD.fullmatch(text)
    if found is None or not int(found[1]) < int(found[2]):
        return None
    return slice(int(found[1]), None, int(found[2]))
