"""Rows of an export as arrays: ragged tokens, batches, the tokenizer, n-grams."""
