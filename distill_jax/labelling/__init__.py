"""Tables labelled by a student: read in blocks, answered by several processes, written as they came, resumed."""
