"""Measure speed, side by side with what users would otherwise run: ``python scripts/benchmark.py --help``."""

from benchmarks.command_line import main
from distill_jax.console import run_command

if __name__ == "__main__":
    run_command(main)
