"""Kill every command at every file operation and give it again: ``python -m scripts.kill --help``."""

from distill_jax.console import run_command
from scripts.kill.command_line import main

if __name__ == "__main__":
    run_command(main)
