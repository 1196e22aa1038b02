"""The teacher: found, loaded, fine-tuned, asked for logits."""
