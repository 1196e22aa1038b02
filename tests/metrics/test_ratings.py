import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from distill_jax.metrics.ratings import rating_scores, ratings_of


@pytest.mark.parametrize(
    ("names", "ratings"),
    [
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), [1, 2, 3, 4, 5]),
        (("5 Stars", "4 Stars", "3 Stars"), [5, 4, 3]),
        (("0", "1", "2"), [0, 1, 2]),
        (("1.0", "1.5", "2.0"), [1, 1.5, 2]),
        (("-1", "0", "1"), [-1, 0, 1]),
        (("1/5", "3/5", "5 / 5"), [1, 3, 5]),
        (("★", "★★", "★★★☆☆"), [1, 2, 3]),
        (("rating 1", "rating: 2", "Rating 3"), [1, 2, 3]),
    ],
)
def test_names_that_are_ratings(names, ratings):
    assert ratings_of(names).tolist() == ratings


@pytest.mark.parametrize(
    "names",
    [
        ("bad", "fair", "good"),
        ("0", "1"),
        ("1 star", "2 stars", "unknown"),
        ("1", "1.0", "2"),
        ("1", "10", "100"),
        ("World 1", "Sports 2", "Business 3"),
        ("", " ", "3"),
    ],
    ids=["words", "two classes", "a word among them", "one twice", "uneven", "numbered words", "empty"],
)
def test_names_that_are_none(names):
    assert ratings_of(names) is None


def test_scores_equal_those_computed_by_hand():
    labels, predictions = np.array([0, 1, 2, 3]), np.array([0, 2, 0, 3])
    found = rating_scores(labels, predictions, np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.mae == pytest.approx((0 + 1 + 2 + 0) / 4)
    assert found.off_by_one == 3 / 4
    # squared misses 0, 1, 4, 0; expected by chance, over the 16 pairs of true {0,1,2,3} and predicted {0,0,2,3}
    chance = sum((t - p) ** 2 for t in (0, 1, 2, 3) for p in (0, 0, 2, 3)) / 16
    assert found.quadratic_kappa == pytest.approx(1 - (5 / 4) / chance)


def test_the_order_of_the_classes_is_that_of_their_ratings():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 5, (2, 200))
    plain = rating_scores(labels, predictions, np.arange(1.0, 6.0))
    assert plain.quadratic_kappa == pytest.approx(cohen_kappa_score(labels, predictions, weights="quadratic"))
    assert rating_scores(4 - labels, 4 - predictions, np.arange(5.0, 0.0, -1.0)) == plain
    shuffled = np.array([3.0, 1.0, 5.0, 2.0, 4.0])
    classes = np.argsort(shuffled)  # the class of each rank
    assert rating_scores(classes[labels], classes[predictions], shuffled) == plain
    assert rating_scores(classes[labels], classes[predictions], np.arange(1.0, 6.0)) != plain


def test_half_stars_count_half():
    assert rating_scores(np.array([0, 2]), np.array([1, 2]), np.array([1.0, 1.5, 2.0])).mae == 0.25


def test_kappa_is_undefined_where_there_is_one_rating_alone():
    found = rating_scores(np.array([1, 1]), np.array([1, 1]), np.array([1.0, 2.0, 3.0]))
    assert (found.quadratic_kappa, found.mae, found.off_by_one) == (None, 0, 1)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        rating_scores(np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([1.0, 2.0, 3.0]))
