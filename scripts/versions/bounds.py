"""Which versions ``pyproject.toml`` admits: its requirements, and the oldest release of each."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from distill_jax.errors import InputError

_LOWER = frozenset({">=", "==", "~="})


def requirements(pyproject: str, *extras: str) -> list[str]:
    """Return what the text of a ``pyproject.toml`` requires: its dependencies, then those of some extras.

    An extra that requires the package itself with other extras requires what they do.
    """
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *_of_extras(project, extras)]


def _of_extras(project: Mapping[str, Any], extras: Iterable[str]) -> Iterator[str]:
    for text in (text for extra in extras for text in project["optional-dependencies"][extra]):
        wanted = Requirement(text)
        if canonicalize_name(wanted.name) == canonicalize_name(project["name"]):
            yield from _of_extras(project, sorted(wanted.extras))
        else:
            yield text


def lower_bounds(wanted: Sequence[str], python: str) -> dict[str, str]:
    """Return the oldest version of each package that is admitted, as pip's constraints take them.

    Args:
        wanted: requirements; of several of one package the highest bound counts.
        python: the Python that they are for, such as ``3.11``; requirements for others are left out.

    Raises:
        InputError: a requirement has no lower bound, or excludes it.
    """
    bounds: dict[str, str] = {}
    for requirement in map(Requirement, wanted):
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        bound = _lower_bound(requirement)
        name = canonicalize_name(requirement.name)
        bounds[name] = max(bounds.get(name, bound), bound, key=Version)
    return bounds


def _lower_bound(requirement: Requirement) -> str:
    found = [one.version for one in requirement.specifier if one.operator in _LOWER]
    if not found:
        raise InputError(f"{requirement}: expected a lower bound, such as {requirement.name}>=1.0; there is none")
    bound = max(found, key=Version)
    if not requirement.specifier.contains(bound, prereleases=True):
        raise InputError(f"{requirement}: its lower bound {bound} is excluded; state the oldest version admitted")
    return bound


def pinned(constraints: Path, name: str) -> str:
    """Return the version that a constraints file pins a package to.

    Raises:
        InputError: it pins none.
    """
    lines = constraints.read_text(encoding="utf-8").splitlines()
    for pin in map(Requirement, (line for line in lines if line and not line.startswith("#"))):
        if pin.name == name:
            return next(iter(pin.specifier)).version
    raise InputError(f"{constraints}: expected a line {name}==VERSION, found none")
