"""Every loader."""

from scripts.fuzz.loaders import commands, runs, tables, teachers, tokens
from scripts.fuzz.loaders.loader import Loader


def all_loaders() -> tuple[Loader, ...]:
    """Return every loader."""
    return tuple(loader for module in (runs, tokens, tables, teachers, commands) for loader in module.LOADERS)
