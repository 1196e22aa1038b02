"""What an export can be told: a frozen dataclass for each concern, with every default; all of them: ``config.py``."""
