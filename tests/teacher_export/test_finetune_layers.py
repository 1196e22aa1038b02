"""Layers that stay as they are, rates by layer, and what rows and classes weigh."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill_jax.errors import InputError
from finetune_helpers import CPU, load, settings_of
from teacher_export.options.teacher import FinetuneConfig
from teacher_export.teacher.finetune import finetune
from teacher_export.teacher.finetune_optimizer import depths, freeze, layers_of, make_optimizer
from teacher_families import FAMILIES, save_family
from tiny_teacher import LABEL_NAMES, make_dataset, make_teacher

SETTINGS = settings_of(epochs=2)
TRAIN = make_dataset(160).splits["train"]


def train(bare, folder, split=TRAIN, **changes):
    """Return the weights that come of a fine-tuning."""
    finetune(load(bare), split, {**SETTINGS, **changes}, folder, CPU)
    return load_file(folder / "model.safetensors")


def equal(first, second):
    return {name for name, weight in first.items() if torch.equal(weight, second[name])}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_its_embeddings_lowest_and_its_head_highest(family, tmp_path):
    model, _ = save_family(family, tmp_path)
    of, top = depths(model), len(layers_of(model)) + 1
    lowest = {id(weight) for name, weight in model.named_parameters() if of[name] == 0}
    assert id(model.get_input_embeddings().weight) in lowest
    base = f"{model.base_model_prefix}."
    assert {of[name] for name in of if not name.startswith(base)} == {top}
    assert set(of.values()) >= set(range(top + 1)) - {0}
    assert top >= (2 if family.name == "ALBERT" else 3)  # whose layers are one
    freeze(model, 1)
    trained = {of[name] for name, weight in model.named_parameters() if weight.requires_grad}
    assert trained == set(range(2, top + 1))
    with pytest.raises(InputError, match=rf"--finetune-freeze: expected at most {top - 1}, .* got {top}"):
        freeze(model, top)


def test_frozen_layers_keep_their_weights(bare, tmp_path):
    model = load(bare).model
    begin = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    of = depths(model)
    for layers in (0, 1):
        kept = equal(train(bare, tmp_path / str(layers), freeze=layers), begin)
        assert kept == {name for name in begin if of[name] <= layers}
    assert not equal(train(bare, tmp_path / "all"), begin)


def test_frozen_layers_drop_nothing_out(tmp_path):
    heads, whole = [], []
    for share in (0.0, 0.8):
        make_teacher(tmp_path / f"{share}", head=False, dropout=share, attention_dropout=share)
        heads.append(train(tmp_path / f"{share}", tmp_path / f"head-{share}", freeze=2))
        whole.append(train(tmp_path / f"{share}", tmp_path / f"whole-{share}"))
    assert equal(*heads) == set(heads[0])
    assert not equal(*whole)


def test_a_layers_rate_is_a_share_of_the_one_above_it(bare):
    model = load(bare).model
    of = {id(weight): depths(model)[name] for name, weight in model.named_parameters()}
    optimizer = make_optimizer(model, 0.8, 0.5)
    rates = {of[id(weight)]: group["lr"] for group in optimizer.param_groups for weight in group["params"]}
    assert rates == {3: 0.8, 2: 0.4, 1: 0.2, 0: 0.1}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(of)
    plain = make_optimizer(model, 0.8)
    assert [group["lr"] for group in plain.param_groups] == [0.8, 0.8]


def weighing(weights, split=TRAIN):
    return dataclasses.replace(split, weights=np.asarray(weights, np.float32))


def test_what_rows_weigh_counts_by_its_ratios(bare, tmp_path):
    weights = np.random.default_rng(0).uniform(0.5, 2, len(TRAIN))
    first = train(bare, tmp_path / "a", weighing(weights))
    assert equal(first, train(bare, tmp_path / "b", weighing(4 * weights))) == set(first)
    assert not equal(first, train(bare, tmp_path / "c"))


def test_a_row_of_no_weight_teaches_nothing(bare, tmp_path):
    weights = np.arange(len(TRAIN)) % 4 > 0
    wrong = np.where(weights, TRAIN.labels, (TRAIN.labels + 1) % 5).astype(np.int32)
    first = train(bare, tmp_path / "a", weighing(weights))
    second = train(bare, tmp_path / "b", weighing(weights, dataclasses.replace(TRAIN, labels=wrong)))
    assert equal(first, second) == set(first)
    with pytest.raises(InputError, match="--weight-column: expected a weight above 0"):
        train(bare, tmp_path / "c", weighing(0 * weights))


def test_a_class_weighs_what_its_rows_would_weigh_by_themselves(bare, tmp_path):
    named = train(bare, tmp_path / "a", class_weights="5 stars=3,1 star=0.5")
    by_row = np.array([0.5, 1, 1, 1, 3])[TRAIN.labels]
    # Rows' own weights have a mean of 1; those of classes are taken as they are given.
    both = train(bare, tmp_path / "b", weighing(by_row), class_weights="")
    scaled = by_row.mean()
    undone = {name: f"{name}={scaled:.9f}" for name in LABEL_NAMES}
    again = train(bare, tmp_path / "c", weighing(by_row), class_weights=",".join(undone.values()))
    assert not equal(named, both)
    for name, weight in named.items():
        torch.testing.assert_close(again[name], weight, rtol=0, atol=2 * SETTINGS["learning_rate"] * 1e-2)


def test_balanced_weights_make_a_rare_class_likelier_where_it_is_right(bare, tmp_path):
    rare = np.flatnonzero(TRAIN.labels == 1)[:4]
    split = TRAIN.take(np.concatenate([np.flatnonzero(TRAIN.labels == 0), rare]))
    probability = {}
    for wanted in ("", "balanced"):
        train(bare, tmp_path / f"out{wanted}", split, class_weights=wanted)
        teacher = load(tmp_path / f"out{wanted}")
        encoded = teacher.saved_tokenizer([TRAIN.texts[row] for row in rare], padding=True, return_tensors="pt")
        with torch.inference_mode():
            logits = teacher.model(encoded["input_ids"], encoded["attention_mask"]).logits
        probability[wanted] = float(logits.softmax(dim=1)[:, 1].mean())
    assert probability["balanced"] > 2 * probability[""]


def test_an_unknown_class_is_refused(bare, tmp_path):
    with pytest.raises(InputError, match=r"--class-weights: expected the names of classes \(1 star, .*got 'six'"):
        train(bare, tmp_path / "out", class_weights="six=2")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"finetune_layer_decay": 0.0}, "--finetune-layer-decay: expected a number more than 0"),
        ({"finetune_layer_decay": 1.5}, "--finetune-layer-decay: .* at most 1"),
        ({"finetune_freeze": -1}, "--finetune-freeze: expected a number at least 0"),
        ({"class_weights": "a=-1"}, "--class-weights: expected balanced, or weights more than 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        FinetuneConfig(**options)
