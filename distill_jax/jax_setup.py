"""How JAX is set up for the command lines; called before anything imports JAX."""

import os

from distill_jax.cache import cache_folder


def configure_jax() -> None:
    """Take GPU memory as it is needed, and keep compiled programs in the user's cache folder.

    What the user's environment says (``XLA_PYTHON_CLIENT_PREALLOCATE``, ``JAX_COMPILATION_CACHE_DIR``) goes first.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
