"""Whether explanations name the words that matter."""
