"""What a user could do instead of training a student."""
