"""Take the best recipe apart, part by part: ``python -m scripts.ablation --help``."""

from distill_jax.console import run_command
from scripts.ablation.command_line import main

if __name__ == "__main__":
    run_command(main)
