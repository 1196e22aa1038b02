"""The export folder, the border between the two halves: NumPy and the standard library only."""
