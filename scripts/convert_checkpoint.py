"""Move checkpoints between the PyTorch notebook and this project: ``python scripts/convert_checkpoint.py --help``."""

from converting.command_line import main
from distill_jax.console import run_command

if __name__ == "__main__":
    run_command(main)
