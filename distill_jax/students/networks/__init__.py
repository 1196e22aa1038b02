"""The students' networks, as NNX modules."""
