"""The loaders: what each reads of the corpus, how it is called, and what a right answer is."""
