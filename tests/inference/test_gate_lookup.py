"""Looking up what tokens add to the BiLSTM's gates gives what the module gives."""

import numpy as np
import pytest

from lookup_helpers import OF_LOOKUPS, PAD, looked_up, module_logits, random_texts, small_student
from tolerances import assert_close

pytestmark = [pytest.mark.cpu, pytest.mark.usefixtures("lookup_of_few_texts")]


@pytest.mark.parametrize("states", ["max", "last"])
@pytest.mark.parametrize("length", [1, 2, 20])
def test_logits_are_the_module_s(states, length):
    student, params = small_student("bilstm", states=states)
    ids = random_texts(length=length, rows=200)
    expected = module_logits(student, params, ids)
    assert expected.std(axis=0).min() > 0.01
    logits = np.asarray(looked_up(student, params, ids).logits(np.arange(200)))
    assert_close(logits, expected, **OF_LOOKUPS)


def test_padding_changes_no_logit():
    student, params = small_student("bilstm")
    ids = random_texts()
    wide = np.concatenate([ids, np.full((50, 9), PAD, np.int32)], axis=1)
    narrow_logits, wide_logits = (np.asarray(looked_up(student, params, x).logits(np.arange(50))) for x in (ids, wide))
    assert_close(wide_logits, narrow_logits, **OF_LOOKUPS)
