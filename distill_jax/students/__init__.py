"""The students: what each is, and its parameters."""
