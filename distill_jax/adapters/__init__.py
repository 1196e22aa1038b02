"""Labelling by engines of many machines, a file each; nothing else imports them, and each needs an extra of its own."""
