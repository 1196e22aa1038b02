"""Measurements of speed and memory, side by side with what users would otherwise run; see ``docs/performance.md``."""
