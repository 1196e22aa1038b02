"""Which of what there is a command line names."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from distill_jax.errors import InputError

_Named = TypeVar("_Named")


def named(known: Mapping[str, _Named], names: Sequence[str]) -> list[_Named]:
    """Return what ``--only`` names, in the order in which it is known; all of it without a name.

    Raises:
        InputError: there is none of a name.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"--only: expected names among {', '.join(known)}, got {unknown[0]!r}")
    return [each for name, each in known.items() if not names or name in names]
