"""The JAX half: train students from an export folder, predict with them, report on them.

Nothing heavy is imported here, so that ``--help`` answers at once.
"""

__version__ = "0.1.0"
