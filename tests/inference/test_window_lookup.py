"""Looking the tokens' shares up gives what convolving gives."""

import numpy as np
import pytest

from lookup_helpers import OF_LOOKUPS, PAD, looked_up, module_logits, random_texts, small_student
from tolerances import assert_close

pytestmark = [pytest.mark.cpu, pytest.mark.usefixtures("lookup_of_few_texts")]


@pytest.mark.parametrize("pooling", ["masked", "padded"])
@pytest.mark.parametrize("heights", [(3, 4, 5), (1, 2, 3), (5,), (2, 1)])
@pytest.mark.parametrize("length", [1, 3, 4, 5, 20])
def test_logits_are_the_convolution_s(pooling, heights, length):
    student, params = small_student("cnn", mask_padding=pooling == "masked", filter_heights=heights)
    ids = random_texts(length=length, rows=200)
    lookup = looked_up(student, params, ids)
    expected = module_logits(student, params, ids)
    assert expected.std(axis=0).min() > 0.01
    assert_close(lookup.logits(np.arange(200)), expected, **OF_LOOKUPS)


def test_a_text_s_logits_do_not_hang_on_the_texts_and_the_padding_beside_it():
    student, params = small_student("cnn")
    ids = random_texts()
    lookup = looked_up(student, params, ids)
    together = np.asarray(lookup.logits(np.arange(50)))
    wide = np.concatenate([ids, np.full((50, 9), PAD, np.int32)], axis=1)
    assert_close(looked_up(student, params, wide).logits(np.arange(50)), together, **OF_LOOKUPS)
    backwards = np.asarray(lookup.logits(np.arange(50)[::-1]))
    assert_close(backwards[::-1], together, **OF_LOOKUPS)
