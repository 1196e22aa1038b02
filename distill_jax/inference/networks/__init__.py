"""The students in NumPy alone: for where there is no JAX, and for answers without anything to compile."""
