import ast
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

from tolerances import assert_close, assert_trees_close

TESTS = sorted(Path(__file__).resolve().parent.rglob("*.py"))


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


@pytest.mark.parametrize(("dtype", "eps"), [(bfloat16, 2.0**-7), (np.float32, 2.0**-23), (np.float64, 2.0**-52)])
def test_the_precision_of_the_sums_decides(dtype, eps):
    expected, of = np.array([1.0, -3.0]), {"terms": 1, "why": "a number", "dtype": dtype}
    assert_close(expected + 4 * eps, expected, **of)
    with pytest.raises(AssertionError):
        assert_close(expected + 8 * eps, expected, **of)


def test_each_array_of_a_tree_has_its_own_scale():
    small, large, of = np.ones(3, np.float32), np.full(2, 1e6, np.float32), {"terms": 1, "why": "a number"}
    assert_trees_close({"a": small, "b": [large + np.float32(0.1)]}, {"a": small, "b": [large]}, **of)
    with pytest.raises(AssertionError):
        assert_trees_close({"a": small + np.float32(0.1), "b": [large]}, {"a": small, "b": [large]}, **of)


def _picked_by_hand(source):
    """Return the lines where floats are held to be equal within a number that is written there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("assert_allclose", "testing.assert_close")):
            written = [keyword.value for keyword in node.keywords if keyword.arg in ("atol", "rtol")]
            if any(isinstance(value, ast.Constant) and value.value != 0 for value in written):
                yield node.lineno


def test_no_tolerance_is_picked_by_hand():
    found = {path.name: list(_picked_by_hand(path.read_text(encoding="utf-8"))) for path in TESTS}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_tolerance_picked_by_hand_is_found():
    source = "np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)\nnp.testing.assert_allclose(a, b, rtol=error)\n"
    assert list(_picked_by_hand(source)) == [1]
