"""The user's cache folder, shared by both halves: downloads, and JAX's compiled programs."""

import os
from pathlib import Path

CACHE_VARIABLE = "DISTILL_JAX_CACHE"


def cache_folder() -> Path:
    """Return ``$DISTILL_JAX_CACHE``, or ``distill-jax`` in the user's cache folder as the system has it."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("distill-jax", appauthor=False)
