"""What each part of the best recipe is worth: the same training without it, with it alone, with other losses, …."""
