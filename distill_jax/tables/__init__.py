"""Tables of any size and form, read row by row: files, packings, dialects, columns; nothing of labels or teachers."""
