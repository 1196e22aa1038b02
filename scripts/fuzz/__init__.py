"""Damaged and hostile inputs for every loader: each is refused in one sentence, or read as what it says."""
