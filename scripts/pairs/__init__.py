"""Two commands at once on one folder, at random offsets: what they leave is what one after the other would leave."""
