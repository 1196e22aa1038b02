"""How far two ways of computing the same floats may lie apart, from what was computed and not from what came out once.

Another processor, vector width or library adds the same terms in another order. The difference of two orders of a sum
of n terms is a random walk of n roundings: about ``eps · sqrt(n)`` of the largest number involved, also where a
result near zero is left of it, so that the scale is the array's and not the element's.

What is drawn at random is held to standard errors. Draws are seeded and the same everywhere.
"""

import jax
import numpy as np
from ml_dtypes import finfo

SAFETY = 2  # times the random walk of either side
STANDARD_ERRORS = 4
AGREEMENT = 1e-5  # what is promised of the forms of a student, by whatever they are computed
SIX_DECIMALS = 5.01e-7  # what rounding to six decimals takes

# A student of the notebook's size or less: 250 products of the CNN's tallest window and 300 features, or 200 of the
# BiLSTM's gates, twice because a gate forgets about half at each token, 300 features and 200 units.
OF_LOGITS = {"terms": 1000, "why": "a window's or a gate's products and the features of a logit"}
# Back from there, over a batch's 32 rows and their tokens.
OF_GRADIENTS = {"terms": 2000, "why": "the products of a logit, and the rows and tokens of a gradient"}


def rounding(terms, scale, dtype=np.float32):
    """Return the largest difference that the order of ``terms`` additions of numbers up to ``scale`` explains."""
    return float(SAFETY * float(finfo(dtype).eps) * np.sqrt(terms) * scale)


def assert_close(actual, expected, *, terms, why, scale=None, dtype=np.float32):
    """Assert that two arrays differ by no more than the rounding of sums of ``terms`` numbers.

    Args:
        actual: what was computed.
        expected: what it should be.
        terms: how many numbers were added one after another to get an element.
        why: what these terms are.
        scale: the largest magnitude that went into the sums; None = the largest magnitude of ``expected``.
        dtype: the precision in which the sums were made, whatever the arrays have become since.
    """
    expected = np.asarray(expected)
    scale = np.abs(expected).max(initial=0) if scale is None else scale
    allowed = rounding(terms, scale, dtype)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=allowed, err_msg=f"more than the rounding of {why}")


def share_error(share, draws):
    """Return how far the share of what happened may lie from its probability ``share``."""
    return STANDARD_ERRORS * float(np.sqrt(share * (1 - share) / draws))


def uniform_spread_error(draws):
    """Return how far the standard deviation of uniform draws may lie from the distribution's, relative to it."""
    return STANDARD_ERRORS * float(np.sqrt(0.2 / draws))


def assert_trees_close(actual, expected, **of):
    """Assert the same of every pair of arrays in two trees, each pair by its own scale."""
    jax.tree.map(lambda one, other: assert_close(one, other, **of), actual, expected)
