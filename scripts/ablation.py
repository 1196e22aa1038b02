"""Take the best recipe apart, part by part: ``python scripts/ablation.py --help``."""

from ablating.command_line import main
from distill_jax.console import run_command

if __name__ == "__main__":
    run_command(main)
