"""Search a student's hyper-parameters on the validation split: ``python -m scripts.search --help``."""

from distill_jax.console import run_command
from scripts.search.command_line import main

if __name__ == "__main__":
    run_command(main)
