"""Measure a packed student beside its run: ``python -m scripts.deployment --help``."""

from distill_jax.console import run_command
from scripts.deployment.command_line import main

if __name__ == "__main__":
    run_command(main)
