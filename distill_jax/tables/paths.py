"""Values within values: a column may be named by a path of names, with dots between them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_DEEPEST = 8


def value_at(value: Any, path: str) -> Any:
    """Return what stands at a path in an object, None where nothing does; a name that has dots goes before a path."""
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    dots = (place for place, letter in enumerate(path) if letter == ".")
    within = (value_at(value.get(path[:dot]), path[dot + 1 :]) for dot in dots)
    return next((found for found in within if found is not None), None)


def values_at(paths: Sequence[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return what makes a tuple of the values of an object at some paths."""
    if any("." in path for path in paths):
        return lambda value: tuple([value_at(value, path) for path in paths])
    return lambda value: tuple([value.get(name) for name in paths])


def paths_in(value: dict[str, Any], before: str = "", depth: int = 1) -> Iterator[str]:
    """Yield an object's names, and then the paths of those in the objects within it."""
    yield from (before + name for name in value)
    for name, inner in value.items():
        if isinstance(inner, dict) and depth < _DEEPEST:
            yield from paths_in(inner, f"{before}{name}.", depth + 1)
