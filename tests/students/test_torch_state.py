"""Parameters to and from the notebook's torch state dicts."""

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_jax.errors import InputError
from distill_jax.students.student import build_student, to_device
from distill_jax.students.torch_state import params_from_torch, params_to_torch, student_of_state
from reference_torch import build_reference, state_arrays

STUDENTS = ("cnn", "fasttext", "bilstm")
SHAPES = {
    "cnn": {
        "embedding.weight": (40, 50),
        "conv0.weight": (100, 1, 3, 50),
        "conv0.bias": (100,),
        "conv1.weight": (100, 1, 4, 50),
        "conv1.bias": (100,),
        "conv2.weight": (100, 1, 5, 50),
        "conv2.bias": (100,),
        "fc.weight": (5, 300),
        "fc.bias": (5,),
    },
    "fasttext": {"embeddings.weight": (40, 50), "output.weight": (5, 50), "output.bias": (5,)},
    "bilstm": {
        "embedding.weight": (40, 50),
        "lstm.weight_ih_l0": (600, 50),
        "lstm.weight_hh_l0": (600, 150),
        "lstm.bias_ih_l0": (600,),
        "lstm.bias_hh_l0": (600,),
        "lstm.weight_ih_l0_reverse": (600, 50),
        "lstm.weight_hh_l0_reverse": (600, 150),
        "lstm.bias_ih_l0_reverse": (600,),
        "lstm.bias_hh_l0_reverse": (600,),
        "dense.weight": (200, 300),
        "dense.bias": (200,),
        "fc.weight": (5, 200),
        "fc.bias": (5,),
    },
}


def random_state(name, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return {key: rng.normal(size=shape).astype(dtype) for key, shape in SHAPES[name].items()}


def same_bits(first, second):
    assert first.dtype == second.dtype
    assert first.shape == second.shape
    return first.tobytes() == second.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", STUDENTS)
def test_there_and_back_bit_for_bit(name, dtype):
    state = random_state(name, dtype)
    state[next(iter(state))][1, :4] = [-0.0, np.inf, -np.inf, np.nan]
    params = params_from_torch(name, state)
    back = params_to_torch(name, params)
    assert list(back) == list(state), "torch's names, in torch's order"
    assert all(same_bits(back[key], state[key]) for key in state)
    again = params_from_torch(name, back)
    assert params_to_torch(name, again).keys() == state.keys()
    assert all(array.flags.c_contiguous for array in back.values())


@settings(max_examples=10, deadline=None)
@given(
    heights=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    filters=st.integers(1, 7),
    dim=st.integers(1, 9),
    classes=st.integers(2, 6),
    seed=st.integers(0, 2**31 - 1),
)
def test_our_params_there_and_back(heights, filters, dim, classes, seed):
    """Of a CNN with any filter heights, not the notebook's alone."""
    options = {"vocab_size": 11, "num_labels": classes, "embedding_dim": dim}
    student = build_student("cnn", **options, filter_heights=tuple(heights), filters=filters)
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), student.shapes())
    state = params_to_torch("cnn", params)
    assert state["fc.weight"].shape == (classes, filters * len(heights))
    back = params_from_torch("cnn", state)
    assert back.keys() == params.keys()
    assert same_bits(back["embedding"], params["embedding"])
    for layer in params.keys() - {"embedding"}:
        assert all(same_bits(back[layer][kind], params[layer][kind]) for kind in ("kernel", "bias"))


@pytest.mark.parametrize("name", STUDENTS)
def test_the_reference_s_state_dict_has_torch_s_names_and_shapes(name):
    state = state_arrays(build_reference(name, vocab_size=40, num_labels=5))
    assert {key: array.shape for key, array in state.items()} == SHAPES[name]
    params = build_student(name, vocab_size=40, num_labels=5).init(seed=0)
    assert {key: array.shape for key, array in params_to_torch(name, params).items()} == SHAPES[name]


@pytest.mark.parametrize("name", STUDENTS)
def test_nothing_is_shared_with_what_was_given(name):
    state = random_state(name)
    params = params_from_torch(name, state)
    table = "embeddings" if name == "fasttext" else "embedding"
    state[f"{table}.weight"][:] = 7
    assert not (params[table] == 7).any()
    back = params_to_torch(name, params)
    back[f"{table}.weight"][:] = 7
    assert not (params[table] == 7).any()


@pytest.mark.parametrize("name", STUDENTS)
def test_jax_arrays_and_torch_tensors_are_taken(name):
    model = build_reference(name, vocab_size=40, num_labels=5)
    params = params_from_torch(name, model.state_dict())
    back = params_to_torch(name, to_device(params))
    assert all(same_bits(back[key], array) for key, array in state_arrays(model).items())


def changed(name, **changes):
    """Return a random state dict with arrays replaced; None takes one out. Names have __ for the dot."""
    state = random_state(name) | {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in state.items() if value is not None}


ZEROS = np.zeros
BAD_STATES = {
    "missing": ("cnn", changed("cnn", conv1__weight=None, fc__bias=None), r"missing conv1\.weight, fc\.bias; expected"),
    "a whole layer": ("cnn", changed("cnn", conv2__weight=None, conv2__bias=None), r"missing conv2\.weight, conv2\.bi"),
    "no layer": ("cnn", {"embedding.weight": ZEROS((4, 2))}, r"missing conv0\.weight, .*conv2\.bias, fc\.weight, fc"),
    "unexpected": ("fasttext", changed("fasttext", extra=ZEROS(3)), r"unexpected extra; expected embeddings\.weight"),
    "both": ("fasttext", changed("fasttext", output__bias=None, bias=ZEROS(5)), r"missing output\.bias; unexpected bi"),
    "the other student": ("fasttext", random_state("cnn"), r"fasttext state dict: missing embeddings\.weight, output"),
    "far index": ("cnn", changed("cnn", conv99999999999__bias=ZEROS(3)), r"unexpected conv99999999999\.bias"),
    "empty": ("cnn", {}, r"missing embedding\.weight"),
    "table": ("cnn", changed("cnn", embedding__weight=ZEROS(50)), r"embedding\.weight: expected \[vocabulary, dim\]"),
    "no rows": ("fasttext", changed("fasttext", embeddings__weight=ZEROS((0, 50))), r"weight: expected \[vocabulary"),
    "kernel": (
        "cnn",
        changed("cnn", conv1__weight=ZEROS((100, 1, 4, 49))),
        r"conv1\.weight: expected \[100, 1, height, 50\] in torch's layout, got \[100, 1, 4, 49\]",
    ),
    "filters": ("cnn", changed("cnn", conv2__bias=ZEROS(99)), r"conv2\.bias: expected \[100\] .* got \[99\]"),
    "head": ("cnn", changed("cnn", fc__weight=ZEROS((300, 5))), r"fc\.weight: expected \[classes, 300\]"),
    "head of the linear student": ("fasttext", changed("fasttext", output__weight=ZEROS((5, 49))), r"\[classes, 50\]"),
    "bias": ("fasttext", changed("fasttext", output__bias=ZEROS(4)), r"output\.bias: expected \[5\].* got \[4\]"),
    "whole numbers": (
        "fasttext",
        changed("fasttext", output__bias=ZEROS(5, int)),
        r"output\.bias: .*numbers, got int64",
    ),
    "LSTM": (
        "bilstm",
        changed("bilstm", lstm__weight_hh_l0=ZEROS((600, 149))),
        r"ih_l0: expected \[596, 50\] .* \[600",
    ),
    "gates": (
        "bilstm",
        changed("bilstm", lstm__bias_hh_l0_reverse=ZEROS(150)),
        r"reverse: expected \[600\] .* \[150\]",
    ),
    "direction": (
        "bilstm",
        changed("bilstm", lstm__weight_ih_l0_reverse=None),
        r"missing lstm\.weight_ih_l0_reverse; exp",
    ),
    "one direction": ("bilstm", changed("bilstm", dense__weight=ZEROS((200, 150))), r"dense\.weight: .*\[units, 300\]"),
    "head of the BiLSTM": ("bilstm", changed("bilstm", fc__weight=ZEROS((5, 300))), r"fc\.weight: .*\[classes, 200\]"),
    "no mapping": ("cnn", [1, 2], r"expected a mapping of names to arrays, got list"),
    "no student": ("lstm", {}, r"student: expected one of cnn, fasttext, bilstm, which have torch layouts, got 'lstm'"),
    "without torch layout": ("ensemble", {}, r"student: expected one of cnn, fasttext, bilstm, .*, got 'ensemble'"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_bad_state_dicts(case):
    name, state, message = BAD_STATES[case]
    with pytest.raises(InputError, match=message):
        params_from_torch(name, state)


def test_bad_params():
    params = params_from_torch("cnn", random_state("cnn"))
    with pytest.raises(InputError, match=r"cnn parameters: missing conv1\.kernel, conv1\.bias; unexpected convX"):
        params_to_torch("cnn", {**{k: v for k, v in params.items() if k != "conv1"}, "convX": np.zeros(1)})
    with pytest.raises(InputError, match=r"conv0\.kernel: expected 3 dimensions, got \[2\]"):
        params_to_torch("cnn", {**params, "conv0": {**params["conv0"], "kernel": np.zeros(2)}})
    with pytest.raises(InputError, match=r"fc\.weight: expected \[classes, 300\] in torch's layout, got \[5, 299\]"):
        params_to_torch("cnn", {**params, "fc": {**params["fc"], "kernel": np.zeros((299, 5))}})
    with pytest.raises(InputError, match="nested mapping of names to arrays, got ndarray"):
        params_to_torch("cnn", np.zeros(3))


def test_which_student_a_state_dict_is():
    assert [student_of_state(random_state(name)) for name in STUDENTS] == list(STUDENTS)
    with pytest.raises(InputError, match=r"expected embedding\.weight \(cnn, bilstm\) or .*, got layer\.weight"):
        student_of_state({"layer.weight": 1})
    with pytest.raises(InputError, match="got nothing"):
        student_of_state({})
