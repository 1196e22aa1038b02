import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill_jax.repeats import first_repeated
from distill_jax.serving.bodies import text_of_line, texts_of_json
from distill_jax.serving.limits import Limits, Refused


@given(st.lists(st.text("abc", max_size=2)))
def test_the_first_name_that_has_come_before_is_found(names):
    expected = next((name for place, name in enumerate(names) if name in names[:place]), None)
    assert first_repeated(names) == expected
    assert (expected is None) == (len(set(names)) == len(names))


@pytest.mark.parametrize("read", [texts_of_json, lambda body, limits: text_of_line(body, 1, limits)])
def test_a_body_of_many_names_and_one_of_them_twice_is_refused_at_once(read):
    """Where each name is compared with each, it takes an hour."""
    limits, members = Limits(), [f'"{number}":0' for number in range(300_000)]
    body = f"{{{','.join([*members, members[-1]])}}}".encode()
    assert len(body) <= limits.max_body_bytes
    json.loads(body)
    with pytest.raises(Refused, match="expected each name of an object once, got '299999' twice"):
        read(body, limits)
