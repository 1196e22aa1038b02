"""Send a service many requests: ``python -m scripts.soak --help``."""

from distill_jax.console import run_command
from scripts.soak.command_line import main

if __name__ == "__main__":
    run_command(main)
