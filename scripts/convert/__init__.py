"""Checkpoints between the PyTorch notebook and run folders, both ways."""
