import numpy as np
import pandas as pd
import pytest

from distill_jax.errors import InputError
from distill_jax.inference.text_input import text_chunks

TEXTS = ["w1 w2", "[SEP] w3", "", "é \U0001f600"]
GIVEN = {
    "list": list,
    "tuple": tuple,
    "array of objects": lambda texts: np.array(texts, object),
    "array of strings": np.array,
    "series": pd.Series,
    "series, index shuffled": lambda texts: pd.Series(texts, index=[2, 0, 3, 1]),
    "series, index of strings": lambda texts: pd.Series(texts, index=list("dcba")),
    "series of a category": lambda texts: pd.Series(texts, dtype="category"),
    "index": pd.Index,
    "generator": lambda texts: (text for text in texts),
    "values of a dict": lambda texts: dict(enumerate(texts)).values(),
}


@pytest.mark.parametrize("name", GIVEN)
def test_whatever_has_texts_in_an_order_is_taken_by_position(name):
    for size in (1, 3, 4, 9):
        chunks = list(text_chunks(GIVEN[name](TEXTS), size))
        assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
        assert [text for chunk in chunks for text in chunk] == TEXTS
        assert {type(text) for chunk in chunks for text in chunk} == {str}


@pytest.mark.parametrize("empty", [[], (), np.array([], object), pd.Series([], dtype=object), iter([])])
def test_no_texts_are_no_chunks(empty):
    assert list(text_chunks(empty, 3)) == []


NOT_TEXTS = {
    "string": ("a film", r"texts: expected a list of texts, got one string; give \[text\]"),
    "numpy string": (np.str_("a film"), "got one string"),
    "bytes": (b"a film", "got bytes; decode them"),
    "data frame": (pd.DataFrame({"text": TEXTS}), r"got a table \(DataFrame\); give its column of texts"),
    "dict": ({"text": "a"}, "expected texts in an order, got a dict"),
    "set": ({"a", "b"}, "expected texts in an order, got a set"),
    "two dimensions": (np.array([["a", "b"]]), r"expected one dimension, got an array of shape \[1, 2\]"),
    "no dimension": (np.array("a"), r"expected one dimension, got an array of shape \[\]"),
    "none": (None, "expected a list of texts, got None"),
    "number": (5, "expected a list of texts, got a value of type int"),
}


@pytest.mark.parametrize("name", NOT_TEXTS)
def test_what_is_no_row_of_texts_is_refused(name):
    given, message = NOT_TEXTS[name]
    with pytest.raises(InputError, match=message):
        next(text_chunks(given, 9))


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (None, "got None"),
        (float("nan"), "got NaN"),
        (pd.NA, "got a value of type NAType"),
        (b"bytes", "got a value of type bytes"),
        (5, "got a value of type int"),
        (["a", "b"], "got a value of type list"),
        (np.array(["a", "b"]), "got a value of type ndarray"),
        ("a \ud83d film", r"got half a surrogate pair \('.ud83d' at character 2\)"),
        ("\udc80", r"got half a surrogate pair \('.udc80' at character 0\)"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("row", [0, 6])
def test_an_element_that_is_no_text_is_refused_by_its_position(element, message, row):
    texts = [f"w{index}" for index in range(8)]
    texts[row] = element
    for given in (texts, iter(texts), pd.Series(texts, index=range(8)[::-1], dtype=object)):
        with pytest.raises(InputError, match=rf"^texts\[{row}\]: expected .*{message}"):
            list(text_chunks(given, 5))


def test_no_more_is_taken_of_an_iterator_than_was_asked_for():
    taken = []
    chunks = text_chunks((taken.append(index) or str(index) for index in range(100)), 4)
    assert taken == []
    assert next(chunks) == ["0", "1", "2", "3"]
    assert len(taken) == 4
