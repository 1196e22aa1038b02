import dataclasses

import numpy as np
import pytest
import torch

from distill_jax.errors import InputError, MissingInputError
from export_helpers import (
    all_logits,
    configure,
    configure_finetuned,
)
from teacher_export import export
from teacher_export.data import dataset as datasets
from tiny_teacher import make_config, make_teacher, make_tokenizer

pytestmark = pytest.mark.usefixtures("small_data")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_map": ("x=1 star",)}, "the teacher has no class 'x'"),
        ({"finetune_epochs": 2}, "--finetune-epochs goes with a teacher without a trained head; headed has one"),
        ({"class_weights": "balanced"}, "--class-weights goes with a teacher without a trained head; headed has one"),
        ({"finetune_freeze": 0}, "--finetune-freeze goes with a teacher without a trained head; headed has one"),
        ({"max_length": 65}, "reads at most 64 tokens"),
        ({"device": "cuda"}, "--device cuda: expected a CUDA GPU"),
    ],
)
def test_options_that_do_not_suit_the_teacher_are_refused(headed, tmp_path, options, message):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match=message):
        export.run(configure(headed, tmp_path / "out", **options))
    assert not (tmp_path / "out").exists()


def test_a_label_map_with_a_teacher_that_is_fine_tuned_is_refused(bare, tmp_path):
    with pytest.raises(InputError, match="--label-map goes with a teacher that has a trained head"):
        export.run(configure_finetuned(bare, tmp_path / "out", label_map=("in-order",)))


def test_a_state_dict_without_names_is_taken_in_order_and_says_so(tmp_path, capsys):
    make_config().save_pretrained(tmp_path / "plain")
    make_tokenizer().save_pretrained(tmp_path / "plain")
    model = make_teacher(tmp_path / "headed")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    config = configure(
        "demo", tmp_path / "out", state_dict=tmp_path / "weights.pt", teacher_config=str(tmp_path / "plain")
    )
    export.run(config)
    warning = "WARNING: nothing names this teacher's classes, so they are taken in order: LABEL_0 → 1 star"
    assert warning in capsys.readouterr().err
    export.run(configure(tmp_path / "headed", tmp_path / "named"))
    np.testing.assert_array_equal(all_logits(tmp_path / "out", "test"), all_logits(tmp_path / "named", "test"))
    swap = ("LABEL_0=2 stars", "LABEL_1=1 star", "LABEL_2=3 stars", "LABEL_3=4 stars", "LABEL_4=5 stars")
    capsys.readouterr()
    export.run(
        dataclasses.replace(
            config,
            teacher=dataclasses.replace(config.teacher, label_map=swap),
            output=dataclasses.replace(config.output, output=tmp_path / "swapped"),
        )
    )
    assert warning not in capsys.readouterr().err
    first, second = (all_logits(tmp_path / name, "test") for name in ("out", "swapped"))
    np.testing.assert_array_equal(first[:, [1, 0, 2, 3, 4]], second)


def test_a_missing_teacher_is_refused_before_the_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: pytest.fail("the data was read first"))
    with pytest.raises(MissingInputError, match="there is no such folder"):
        export.run(configure(tmp_path / "nowhere", tmp_path / "out"))
