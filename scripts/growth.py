"""Measure how time and memory grow with the rows: ``python scripts/growth.py --help``."""

from benchmarks.growth import main
from distill_jax.console import run_command

if __name__ == "__main__":
    run_command(main)
