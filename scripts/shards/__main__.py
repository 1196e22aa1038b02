"""``python -m scripts.shards``."""

from distill_jax.console import run_command
from scripts.shards.command_line import main

if __name__ == "__main__":
    run_command(main)
