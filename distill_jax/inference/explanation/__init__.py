"""Why a student gave an answer: what its logits are made of, by the words of the text."""
