"""What a packed student costs where it answers: ``python -m scripts.deployment --help``."""
