"""Other forms of a packed student, for where Python is not: each is made from the packed file alone."""
