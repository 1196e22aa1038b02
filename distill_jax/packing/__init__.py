"""How a trained student becomes small: what of it is kept, how finely, and what that costs."""
