"""Whether an installed wheel works with the oldest and with the newest versions that ``pyproject.toml`` admits."""
