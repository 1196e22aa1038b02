"""Measure what each family of teachers costs, beside ONNX Runtime: ``python -m scripts.families --help``."""

from distill_jax.console import run_command
from scripts.families.command_line import main

if __name__ == "__main__":
    run_command(main)
