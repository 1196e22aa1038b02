"""Every loader."""

from scripts.fuzz.loaders import commands, labelling, runs, serving, shipping, tables, teachers, tokens
from scripts.fuzz.loaders.loader import Loader

_ROOMS = (runs, tokens, tables, teachers, labelling, shipping, serving, commands)


def all_loaders() -> tuple[Loader, ...]:
    """Return every loader."""
    return tuple(loader for module in _ROOMS for loader in module.LOADERS)
