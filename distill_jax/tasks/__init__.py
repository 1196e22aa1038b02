"""What rows are labelled with, one file a task: its losses, how logits become an answer, its scores."""
