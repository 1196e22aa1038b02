"""Try the package with the versions that it admits: ``python -m scripts.versions --help``."""

from distill_jax.console import run_command
from scripts.versions.command_line import main

if __name__ == "__main__":
    run_command(main)
