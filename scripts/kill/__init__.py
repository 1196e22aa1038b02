"""The parts of ``scripts/kill``: commands that are killed at every file operation, and given again."""
