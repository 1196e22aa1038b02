"""Cross-validate teacher, students and baselines: ``python -m scripts.crossvalidate --help``."""

from distill_jax.console import run_command
from scripts.crossvalidate.command_line import main

if __name__ == "__main__":
    run_command(main)
