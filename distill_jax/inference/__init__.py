"""From texts to logits; nothing here knows of training."""
