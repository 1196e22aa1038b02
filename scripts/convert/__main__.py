"""Move checkpoints between the PyTorch notebook and this project: ``python -m scripts.convert --help``."""

from distill_jax.console import run_command
from scripts.convert.command_line import main

if __name__ == "__main__":
    run_command(main)
