"""What a configuration's fields may hold: said beside each field, checked in one place for Python and command lines.

A configuration is a frozen dataclass, and it is its own command line: the docstring beneath a field is the option's
help, the field's default the option's. Standard library only.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Collection, Sequence
from typing import Annotated, Any, Literal

from distill_jax.errors import InputError, require_range

_ADDRESS = re.compile(r"(?:[^:/\s\[\]]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")

KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


@dataclasses.dataclass(frozen=True)
class Range:
    """From where to where a number may lie, both included.

    Attributes:
        low: the smallest.
        high: the largest; infinite = any.
        low_open: the smallest itself is excluded.
    """

    low: float
    high: float = math.inf
    low_open: bool = False


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which strings are allowed, where they are not known as the program is written."""

    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Flag:
    """An option without a value, which turns something on; the command line has no ``--no-…`` beside it."""


@dataclasses.dataclass(frozen=True)
class Metavar:
    """What the help shows for an option's value."""

    text: str


@dataclasses.dataclass(frozen=True)
class NoOption:
    """A field that no command line sets."""


def option_of(field: str) -> str:
    """Return a field's name as the command line spells it."""
    return "--" + field.replace("_", "-")


def require_once(words: Sequence[str], repeatable: Collection[str] = ()) -> None:
    """Raise ``InputError`` where a command line gives an option twice: of two values one would be lost without a word.

    ``--x`` and ``--no-x`` are one option.

    Args:
        words: the command line's.
        repeatable: the options that may be given several times.
    """
    seen: dict[str, str] = {}
    for word in words:
        if word == "--":
            return
        option = given_option(word)
        if option is None:
            continue
        given = _spelt(word)
        if option in seen and option not in repeatable:
            twice = f"{given} is given twice" if seen[option] == given else f"{seen[option]} and {given} are one option"
            raise InputError(f"{twice}; expected it once, and several values, where it takes them, after one another")
        seen[option] = given


def given_option(word: str) -> str | None:
    """Return the option that a word of a command line gives: ``--x-y`` of ``--no-x_y=1``, too; None of a value."""
    return "--" + _spelt(word).removeprefix("--").removeprefix("no-") if word.startswith("--") else None


def _spelt(word: str) -> str:
    return word.partition("=")[0].replace("_", "-")


def check_fields(config: Any) -> None:
    """Raise ``InputError`` for the first field of a configuration whose value is not of its type or out of its range.

    Args:
        config: a dataclass whose annotations are ``bool``, ``int``, ``float``, ``str``, a ``Literal``, a ``Callable``,
            a ``tuple`` of one of them or one of them ``| None``, with a ``Range`` or a ``Choice`` as further metadata.
    """
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        _check(option_of(field.name), getattr(config, field.name), hints[field.name])


def _check(name: str, value: Any, hint: Any) -> None:
    metadata: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *further = typing.get_args(hint)
        metadata = tuple(further)
    if isinstance(hint, types.UnionType):  # X | None
        if value is None:
            return
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, tuple) or not value:
            raise InputError(f"{name}: expected at least one value, as a tuple, got {value!r}")
        for each in value:
            _check_one(name, each, typing.get_args(hint)[0], metadata)
        return
    _check_one(name, value, hint, metadata)


def _check_one(name: str, value: Any, kind: Any, metadata: tuple[Any, ...]) -> None:
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
    choices += tuple(choice for each in metadata if isinstance(each, Choice) for choice in each.names)
    if choices:
        if value not in choices:
            raise InputError(f"{name}: expected one of {', '.join(filter(None, choices))}, got {value!r}")
        return
    if typing.get_origin(kind) is Callable:
        if not callable(value):
            raise InputError(f"{name}: expected a function, got {value!r}")
        return
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{name}: expected {KINDS[kind]}, got {value!r}")
    for each in metadata:
        if isinstance(each, Range):
            require_range(name, value, each.low, each.high, low_open=each.low_open)


def require_host_and_port(name: str, address: str) -> None:
    """Raise ``InputError`` unless an address is ``HOST:PORT``: a name, a number, or an IPv6 number in brackets."""
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise InputError(f"{name} {address}: expected HOST:PORT, such as host0:7611, a port from 1 to 65535")
