import re

import numpy as np
import pytest

from teacher_export.summary import label_order_warning, score

LABELS = np.arange(100) % 4
NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (LABELS, None),
        (np.where(np.arange(100) < 60, LABELS, 0), None),
        (3 - LABELS, r"is 0\.000, but 1\.000 if .* \['d', 'c', 'b', 'a'\] looks like \['a', 'b', 'c', 'd'\]"),
        (np.zeros(100, int), r"accuracy is 0\.250, near chance \(0\.250, 4 classes\): the label order may be wrong"),
    ],
)
def test_a_teacher_that_looks_mislabelled_is_warned_of(predictions, message):
    warning = label_order_warning(LABELS, predictions, NAMES)
    assert (warning is None) == (message is None)
    assert message is None or re.search(message, warning)


def test_scores_count_a_class_that_never_occurs_as_zero():
    figures = score(np.array([0, 0, 1]), np.array([0, 0, 0]), 3)
    assert figures == {"accuracy": pytest.approx(2 / 3), "macro_f1": pytest.approx(0.8 / 3)}
