"""Processes that share the parts of an export, killed again and again: the same bytes, and the time simulated."""
