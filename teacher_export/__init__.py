"""The PyTorch half: read data, fine-tune a teacher, export its logits for the JAX half.

Nothing heavy is imported here, so that ``--help`` answers at once.
"""
