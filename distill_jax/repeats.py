"""Which of many names comes twice. Standard library only."""

from collections.abc import Iterable


def first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that has come before, in time linear in their number; None where each is another."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
