"""Run two commands at once on one folder, many times: ``python -m scripts.pairs --help``."""

from distill_jax.console import run_command
from scripts.pairs.command_line import main

if __name__ == "__main__":
    run_command(main)
