import numpy as np
import pytest

from tolerances import assert_close


@pytest.mark.parametrize("magnitude", [1e-6, 1.0, 1e6])
def test_sums_in_any_order_are_close_at_every_magnitude(magnitude):
    rng = np.random.default_rng(0)
    terms = (magnitude * rng.normal(size=(1000, 400))).astype(np.float32)
    forward, backward = np.cumsum(terms, axis=1)[:, -1], np.cumsum(terms[:, ::-1], axis=1)[:, -1]
    assert (forward != backward).any()
    assert_close(forward, backward, terms=400, why="sums")


@pytest.mark.parametrize("magnitude", [1e-6, 1.0, 1e6])
def test_a_difference_of_a_ten_thousandth_is_none_of_rounding(magnitude):
    expected = magnitude * np.array([1.0, -2.0, 0.0], np.float32)
    with pytest.raises(AssertionError, match="more than the rounding of sums"):
        assert_close(expected + np.float32(2e-4 * magnitude), expected, terms=400, why="sums")
