"""``python -m scripts.fuzz``."""

from distill_jax.console import run_command
from scripts.fuzz.command_line import main

if __name__ == "__main__":
    run_command(main)
