import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distill_jax.data.batching import length_buckets, padded_rows
from distill_jax.data.compaction import Compaction
from distill_jax.data.examples import Examples, read_examples
from distill_jax.data.ragged import Ragged
from distill_jax.errors import InputError
from distill_jax.export.format import read_manifest
from padded import padded
from tiny_export import MAX_LENGTH, PAD_ID, tiny_part, write_tiny_export

TEXTS = arrays(np.int32, st.tuples(st.integers(1, 8), st.integers(1, 9)), elements=st.integers(0, 9))


def test_a_share_of_the_rows_is_drawn_by_seed_and_keeps_their_order(tiny_export):
    examples = read_examples(tiny_export, read_manifest(tiny_export), "train")
    third = examples.share(1 / 3, seed=4)
    rows = third.example_ids
    assert len(third) == 110
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(third.teacher_logits, examples.teacher_logits[rows])
    assert rows.tolist() == examples.share(1 / 3, seed=4).example_ids.tolist()
    assert rows.tolist() != examples.share(1 / 3, seed=5).example_ids.tolist()
    assert examples.share(1, seed=4) is examples
    assert len(examples.share(1e-9, seed=4)) == 1


def test_read_examples_pads_each_text_on_the_right_and_keeps_the_rows_order(tiny_export):
    examples = read_examples(tiny_export, read_manifest(tiny_export), "train")
    rows = padded(examples, PAD_ID)
    assert rows.shape == (330, MAX_LENGTH)
    first, second = tiny_part(200, 10, 0), tiny_part(130, 11, 200)
    for row in (0, 17, 199, 200, 329):
        part, index = (first, row) if row < 200 else (second, row - 200)
        text = part.tokens.take(np.array([index])).ids
        assert rows[row, : len(text)].tolist() == text.tolist()
        assert (rows[row, len(text) :] == PAD_ID).all()
        assert examples.labels[row] == part.labels[index]
        np.testing.assert_array_equal(examples.teacher_logits[row], part.teacher_logits[index])
    assert examples.example_ids.tolist() == list(range(330))


def test_a_text_longer_than_the_manifest_allows_is_named(tmp_path):
    folder = write_tiny_export(tmp_path / "export", 20, 10)
    manifest = dataclasses.replace(read_manifest(folder), max_length=5)
    with pytest.raises(InputError, match=r"split 'train': example \d+ has \d+ tokens, more than .* max_length 5"):
        read_examples(folder, manifest, "train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": Ragged.of([[1], [2, 3]])}, "tokens: expected 3 rows, as many as labels, got 2"),
        (
            {"tokens": Ragged.of([[1] * 5, [], []])},
            "rows of at most 4 tokens .*, got one of 5",
        ),
        ({"teacher_logits": np.zeros((2, 5))}, "teacher_logits: expected 3 rows, as many as labels, got 2"),
        ({"example_ids": np.zeros(4)}, "example_ids: expected 3 rows, as many as labels, got 4"),
    ],
)
def test_arrays_of_different_lengths_are_refused(changes, message):
    arrays = {"tokens": Ragged.of([[1], [2, 3], []]), "labels": np.zeros(3, np.int32), "length": 4}
    with pytest.raises(InputError, match=message):
        Examples(**{**arrays, **changes})


def _cost(needed, lengths, multiple, longest):
    """The sum of the lengths that batches are cut to, or None where one fits in none."""
    total = 0
    for length in needed:
        fitting = [bucket for bucket in lengths if bucket >= length]
        if not fitting:
            return None
        total += min(fitting)
    return total


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 23), min_size=1, max_size=12),
    st.integers(0, 6),
    st.integers(1, 4),
    st.sampled_from([1, 3, 8]),
)
def test_length_buckets_fit_every_batch_and_no_choice_is_cheaper(needed, above, limit, multiple):
    longest = max(*needed, 1) + above
    buckets = length_buckets(np.array(needed), longest, limit, multiple)
    assert 1 <= len(buckets) <= limit
    assert sorted(set(buckets.tolist())) == buckets.tolist()
    assert max(needed) <= buckets[-1] <= longest
    allowed = {*range(multiple, longest, multiple), longest}
    assert set(buckets.tolist()) <= allowed
    costs = [
        _cost(needed, choice, multiple, longest)
        for size in range(1, limit + 1)
        for choice in itertools.combinations(sorted(allowed), size)
    ]
    assert _cost(needed, buckets.tolist(), multiple, longest) == min(cost for cost in costs if cost is not None)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 9))
def test_compaction_can_be_undone_and_drops_what_does_not_occur(first, second, pad_id):
    compaction = Compaction.of([first, second], 10, pad_id)
    for ids in (first, second):
        compact = compaction.apply(Ragged.from_padded(ids, pad_id))
        assert compact.ids.dtype == np.int32
        whole = compact.padded(ids.shape[1], compaction.pad_id)
        np.testing.assert_array_equal(compaction.tokens[whole], ids)
    assert set(compaction.tokens.tolist()) == {*first.ravel().tolist(), *second.ravel().tolist(), pad_id}
    assert compaction.tokens[compaction.pad_id] == pad_id


@pytest.mark.parametrize("wrong", [-1, 10, 300])
def test_a_token_outside_the_vocabulary_is_refused(wrong):
    ids = np.array([[1, wrong, 2]], np.int32)
    with pytest.raises(InputError, match=rf"input_ids: expected 0 to 9 \(the student's vocabulary\), got {wrong}$"):
        Compaction.of([np.array([[1, 2]], np.int32), ids], 10, 0)


@pytest.mark.parametrize(("rows", "multiple", "expected"), [(5, 4, 8), (8, 4, 8), (1, 1, 1), (1, 16, 16), (0, 4, 0)])
def test_padded_rows(rows, multiple, expected):
    array = np.arange(rows * 2, dtype=np.int32).reshape(rows, 2)
    padded = padded_rows(array, multiple, fill=7)
    assert padded.shape == (expected, 2)
    assert padded.dtype == np.int32
    np.testing.assert_array_equal(padded[:rows], array)
    assert (padded[rows:] == 7).all()
