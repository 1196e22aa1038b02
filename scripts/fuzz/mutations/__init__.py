"""Changes of a file at random: of its bytes, and of the values in it."""
