"""Put the default students beside simple baselines, on data of many sizes: ``python -m scripts.sizes --help``."""

from distill_jax.console import run_command
from scripts.sizes.command_line import main

if __name__ == "__main__":
    run_command(main)
