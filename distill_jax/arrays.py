"""What stands in signatures for an array that a caller may give as JAX's or as NumPy's."""

import jax
import numpy as np

AnyArray = jax.Array | np.ndarray
