"""The ways out: each form in which a trained student lies on a disk, and is read back."""
