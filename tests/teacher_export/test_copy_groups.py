"""Groups of near copies: the rule of the transfer set's filter, in both directions and along chains."""

import numpy as np

from teacher_export.transfer.near_copies import NearCopyIndex, near_copy_groups
from teacher_export.transfer.words import normalised_words


def test_copies_and_chains_of_near_copies_are_one_group_and_common_phrases_are_not():
    first = "one two three four five six seven eight nine ten"
    second = first.replace("one two three", "eleven twelve thirteen")
    third = second.replace("nine ten", "fourteen fifteen sixteen seventeen")
    texts = [
        first,
        "A great movie!",
        third,
        "a GREAT movie",
        "it is a great movie that I liked a lot",
        second,
        "ten",
        "",
    ]
    assert near_copy_groups(texts).tolist() == [0, 1, 0, 1, 2, 0, 3, 4]
    assert near_copy_groups([]).tolist() == []


def test_groups_are_what_the_filter_finds_pair_by_pair():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcde"), rng.integers(1, 14))) for _ in range(60)]
    words = [normalised_words(text) for text in texts]
    copies = np.array([NearCopyIndex([text]).find(words) for text in texts])
    linked = (copies | copies.T).astype(int)
    for _ in texts:
        linked = np.minimum(linked @ linked, 1)
    groups = near_copy_groups(texts)
    assert 1 < len(np.unique(groups)) < len(texts)
    np.testing.assert_array_equal(groups[:, None] == groups, linked == 1)
