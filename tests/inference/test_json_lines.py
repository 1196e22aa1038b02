import json

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distill_jax.inference.json_lines import JsonLines, rounded


def _by_json(names, probabilities, ensure_ascii):
    lines = []
    for row in probabilities:
        values = {name: round(float(value), 6) for name, value in zip(names, row, strict=True)}
        lines.append(json.dumps({"label": names[row.argmax()], "probabilities": values}, ensure_ascii=ensure_ascii))
    return "".join(line + "\n" for line in lines)


def test_lines_equal_those_of_the_json_library():
    names = ("1 star", 'a "quoted" 100 % {}', "é \n\\ %s")
    rows = np.random.default_rng(0).dirichlet([0.1, 0.1, 0.1], 500)
    rows = np.concatenate([rows, [[0, 0, 1], [1, 0, 0], [0.5, 0.5, 0], [1e-7, 4e-6, 1 - 4.1e-6]]])
    for ensure_ascii in (False, True):
        assert JsonLines(names, ensure_ascii=ensure_ascii).format(rows) == _by_json(names, rows, ensure_ascii)
    assert JsonLines(names).format(rows) != JsonLines(names, ensure_ascii=True).format(rows)


@settings(max_examples=300, derandomize=True)
@given(value=st.floats(0, 1), millionths=st.integers(0, 999_999), ulps=st.integers(-3, 3))
@example(value=5e-324, millionths=2, ulps=0)
def test_rounding_equals_python_s(value, millionths, ulps):
    tie = (millionths + 0.5) / 1e6
    for _ in range(abs(ulps)):
        tie = float(np.nextafter(tie, np.sign(ulps) * np.inf))
    values = [value, tie, millionths / 1e6]
    assert rounded(np.array(values)).tolist() == [round(number, 6) for number in values]
