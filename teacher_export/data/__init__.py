"""Tables of texts and labels: read, sampled, split."""
