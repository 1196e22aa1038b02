"""Measure speed, side by side with what users would otherwise run: ``python -m scripts.benchmark --help``."""

from distill_jax.console import run_command
from scripts.benchmark.command_line import main

if __name__ == "__main__":
    run_command(main)
