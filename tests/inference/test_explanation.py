"""Explanations: parts sum to the logits, point at the words, and name the words that matter."""

import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import distill_jax as dj
from command_lines import call, refusal
from distill_jax.data.tokenizer import FastTokenizer
from distill_jax.errors import InputError
from distill_jax.packed.student import whole_student
from distill_jax.predict import main
from distill_jax.students.params import flat_params, nested_params
from distill_jax.students.registry import student_config
from distill_jax.tasks.registry import task_named
from packable import packable_tokenizer
from tiny_export import LABEL_NAMES, tiny_texts
from tolerances import AGREEMENT, OF_LOGITS, SIX_DECIMALS, assert_close

LENGTH = 16
MASKED = {"mask_padding": True}
SUMS = {
    "linear": ("fasttext", {**MASKED, "ngrams": 3, "buckets": 50}),
    "linear of the notebook": ("fasttext", {}),
    "cnn": ("cnn", {**MASKED, "filters": 5, "filter_heights": (1, 3, 2)}),
    "cnn of the notebook": ("cnn", {"filters": 5}),
    "cnn with filters higher than texts": ("cnn", {"filters": 3, "filter_heights": (2, 20)}),
}
OTHERS = {
    "bilstm": ("bilstm", {"hidden": 7, "dense": 5}),
    "ensemble": ("ensemble", {"filters": 5, "ngrams": 2, "buckets": 50}),
    "linear of extremes": ("fasttext", {**MASKED, "pooling": "mean-max-min"}),
}
TASKS = ("single-label", "multi-label", "score")
LETTERS = st.sampled_from(
    ["w1", "w2", "film", "filming", "w59", "é", "unheard-of", " ", "  ", "\n", "[PAD]", "日本", "!"]
)
TEXTS = st.lists(LETTERS, max_size=30).map(" ".join)


def _predictor(name, task="single-label", tokenizer=None):
    """Return a student with parameters drawn by chance."""
    kind, options = (SUMS | OTHERS)[name]
    tokenizer = packable_tokenizer() if tokenizer is None else tokenizer
    tokenizer.enable_truncation(LENGTH)
    names = ("score",) if task == "score" else LABEL_NAMES
    sizes = {"vocab_size": tokenizer.get_vocab_size(), "num_labels": len(names), "task": task, "embedding_dim": 6}
    if task == "score":
        sizes["standardisation"] = (3.0, 2.5)
    config = student_config(kind, **sizes, **options)
    rng = np.random.default_rng(5)
    layout = config.parameter_layout().items()
    params = {key: rng.normal(size=shape).astype(np.float32) for key, (shape, _) in layout}
    if config.frozen_padding:
        params[config.table_name][0] = 0
    return dj.Predictor.of(names, config, nested_params(params), FastTokenizer(tokenizer, LENGTH), LENGTH)


@functools.cache
def _known(name, task="single-label"):
    return _predictor(name, task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [*SUMS, *OTHERS])
@settings(max_examples=10, deadline=None)
@given(text=TEXTS)
def test_parts_and_remainder_sum_to_the_logits(name, task, text):
    predictor = _known(name, task)
    (found,) = predictor.explain([text])
    expected = predictor.logits([text])
    assert found.method == ("features" if name in SUMS else "leave-one-out")
    assert_close(found.parts.sum(axis=0) + found.remainder, expected[0], **OF_LOGITS, scale=100)
    assert_close(found.features.parts.sum(axis=0) + found.features.remainder, expected[0], **OF_LOGITS, scale=100)
    within = found.pieces.words >= 0
    np.testing.assert_allclose(
        sum((word.parts for word in found.words), np.zeros(expected.shape[1])), found.parts[within].sum(axis=0)
    )


@pytest.mark.parametrize("name", SUMS)
def test_the_remainder_is_the_bias(name):
    predictor = _known(name)
    (found,) = predictor.explain(["w1 w2 w3"])
    flat = flat_params(predictor.weights())
    np.testing.assert_allclose(
        found.features.remainder, flat.get("fc.bias", flat.get("output.bias")), rtol=2 * SIX_DECIMALS
    )
    (score,) = _known(name, "score").explain(["w1 w2 w3"])
    bias = flat_params(_known(name, "score").weights())
    np.testing.assert_allclose(
        score.features.remainder, 3 + 2.5 * bias.get("fc.bias", bias.get("output.bias")), rtol=2 * SIX_DECIMALS
    )


def test_a_linear_student_s_features_are_its_tokens_and_n_grams():
    predictor = _known("linear")
    (found,) = predictor.explain(["w1 film w2"])
    stretches = [part.text for part in found.stretches]
    assert stretches == [
        *("", "w1", "w1 film"),  # [CLS]; with the first word; with the first two
        *("w1", "w1 film", "w1 film w2"),
        *("film", "film w2", "film w2"),
        *("w2", "w2"),
        "",
    ]
    table, kernel = (flat_params(predictor.weights())[name] for name in ("embeddings", "output.kernel"))
    token = found.pieces.ids[1]
    np.testing.assert_allclose(found.stretches[3].parts, table[token] @ kernel / len(stretches), rtol=AGREEMENT)


def test_a_cnn_s_features_are_windows_of_its_filters_heights():
    (found,) = _known("cnn").explain(["w1 w2 w3 w4 w5 w6"])
    features = found.features
    assert set((features.stops - features.starts).tolist()) <= {1, 2, 3}
    assert len(set(zip(features.starts.tolist(), features.stops.tolist(), strict=True))) == len(features.starts)
    # A window that no filter took has no bearing on the answer.
    touched = np.zeros(len(found.pieces.ids), bool)
    for start, stop in zip(features.starts, features.stops, strict=True):
        touched[start:stop] = True
    assert (found.parts[~touched] == 0).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [*SUMS, *OTHERS])
def test_a_word_left_out_is_the_text_without_it(name, task):
    predictor = _known(name, task)
    words = ["w1", "filming", "w3", "w1"]
    (found,) = predictor.explain([" ".join(words)], method="leave-one-out")
    without = predictor.logits([" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))])
    assert [word.text for word in found.words] == words
    for word, logits in zip(found.words, without, strict=True):
        assert_close(found.logits - word.parts, logits, **OF_LOGITS, scale=100)


def test_spans_point_at_the_words_of_the_text_as_it_was_given():
    text = "  W1,  fÍlm\tfilming!?  Ünheard 日本 "
    (found,) = _known("linear").explain([text])
    assert [word.text for word in found.words] == ["W1", ",", "fÍlm", "filming", "!", "?", "Ünheard", "日", "本"]
    assert all(text[word.start : word.stop] == word.text for word in found.words)
    pieces = [text[start:stop] for start, stop in found.pieces.spans]
    assert [piece for piece in pieces if piece.startswith("film")] == ["film"]
    assert pieces[0] == pieces[-1] == ""
    assert found.pieces.words[0] == -1


def test_words_end_at_white_space_where_the_tokenizer_has_none():
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "▁": 2, "▁a": 3, "b": 4, "▁c": 5}
    tokenizer = Tokenizer(models.Unigram([(word, -1.0) for word in vocabulary], unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    predictor = _predictor("linear of the notebook", tokenizer=tokenizer)
    (found,) = predictor.explain(["ab  c b"])
    assert [word.text for word in found.words] == ["ab", "c", "b"]
    assert (found.pieces.words >= 0).all()


def test_a_byte_s_pieces_are_one_word_with_its_letter():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    predictor = _predictor("linear of the notebook", tokenizer=tokenizer)
    (found,) = predictor.explain(["é ok 😀"])
    assert [word.text for word in found.words] == ["é", "ok", "😀"]
    without = predictor.explain(["é ok 😀"], method="leave-one-out")[0]
    assert_close(without.logits - without.words[1].parts, predictor.logits(["é 😀"])[0], **OF_LOGITS)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_text_that_is_cut_says_so_and_points_at_what_is_read(side):
    tokenizer = packable_tokenizer()
    tokenizer.enable_truncation(LENGTH, direction=side)
    fast = FastTokenizer(tokenizer, LENGTH)
    words = [f"w{index}" for index in range(14)]
    assert not fast.pieces(" ".join(words)).is_cut
    for many in (1, 10, 5_000):
        text = " ".join(words) + " film" * many
        text = text if side == "right" else " ".join(reversed(text.split()))
        pieces = fast.pieces(text)
        assert pieces.is_cut
        np.testing.assert_array_equal(pieces.ids, fast.encode([text]).ids)
        read = [text[start:stop] for start, stop in pieces.spans[1:-1]]
        assert read == (words if side == "right" else words[::-1])
    (found,) = _known("cnn").explain(["w1 " * 99])
    assert found.is_cut
    assert found.to_json()["is_cut"] is True
    assert not fast.pieces("w1" + " " * 9_999).is_cut


@pytest.mark.parametrize("name", SUMS)
def test_a_word_s_evidence_is_what_it_adds_to_the_log_odds(name):
    logits = np.array([0.3, -1.0, 2.0])
    small = np.array([1e-6, -3e-6, 2e-6])
    for task, odds in ((task_named("single-label"), True), (task_named("multi-label"), True), (task_named("score"), 0)):
        weights = task.evidence(logits, 2)

        def of(row, task=task, odds=odds):
            if not odds:
                return row[2]
            share = task.probabilities(row[None])[0, 2]
            return np.log(share / (1 - share))

        np.testing.assert_allclose(small @ weights, of(logits + small) - of(logits), rtol=100 * AGREEMENT)
    (found,) = _known(name).explain(["w1 w2 film w3 w4"])
    evidence = [part for _, part in found.why()]
    assert evidence == sorted(evidence, reverse=True)
    assert sorted(word for word, _ in found.why()) == sorted(word.text for word in found.words)


SMALL = {
    "fasttext": ({"embedding_dim": 6, "buckets": 500}, {"epochs": 12}),
    "cnn": ({"embedding_dim": 12, "filters": 12}, {"epochs": 8}),
    "bilstm": ({"embedding_dim": 12, "hidden": 12, "dense": 12}, {"epochs": 8}),
}


def _opinions(rows, seed):
    """Return texts of twelve words, three of which decide the class, and the classes."""
    rng = np.random.default_rng(seed)
    labels, texts = rng.choice(["bad", "good"], rows), []
    for label in labels:
        words = [
            *(f"{label}{index}" for index in rng.integers(0, 4, 3)),
            *(f"w{index}" for index in rng.integers(0, 40, 9)),
        ]
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


@pytest.mark.parametrize("name", SMALL)
def test_the_three_highest_words_move_the_probability_three_times_as_much_as_three_others(name):
    options, training = SMALL[name]
    model = (
        dj.TextClassifier(name, options=options, training=training, max_length=LENGTH).fit(*_opinions(600, 0)).model_
    )
    rng = np.random.default_rng(0)
    highest, others = [], []
    for found in model.explain(_opinions(100, 1)[0]):
        order = np.argsort(-found.evidence(), kind="stable")
        three, other = order[:3], rng.choice(order[3:], 3, replace=False)
        words = [word.text for word in found.words]
        texts = [" ".join(word for at, word in enumerate(words) if at not in left) for left in ((), three, other)]
        shares = model.predict_proba(texts)[:, model.classes_.tolist().index(found.answer)]
        highest.append(abs(shares[0] - shares[1]))
        others.append(abs(shares[0] - shares[2]))
    assert np.mean(highest) >= 3 * np.mean(others)
    assert np.mean(highest) > 0.1


@pytest.mark.parametrize("name", ["fasttext", "cnn", "bilstm"])
def test_a_packed_student_explains_as_its_run(tmp_path, packable, name):
    model, texts = dj.load(packable[name][0]), tiny_texts(6, 3)[0]
    packed = whole_student(model).predictor()
    for one, other in zip(model.explain(texts), packed.explain(texts), strict=True):
        assert one.answer == other.answer
        assert_close(one.parts, other.parts, **OF_LOGITS, scale=10)


@pytest.mark.parametrize("task", TASKS)
def test_an_explanation_as_json_has_the_answer_and_every_word(task):
    predictor = _known("linear", task)
    (found,) = predictor.explain(["w1 film"])
    content = json.loads(json.dumps(found.to_json()))
    assert [word["text"] for word in content["words"]] == ["w1", "film"]
    assert content["words"][1]["start"] == 3
    names = list(predictor.label_names)
    for name in names:
        total = content["remainder"][name] + sum(piece["parts"][name] for piece in content["pieces"])
        assert total == pytest.approx(content["logits"][name], abs=1e-4)
    answer = predictor.predict(["w1 film"])[0]
    if task == "multi-label":
        assert content["labels"] == list(answer)
        assert list(content["why"]) == list(answer)
    else:
        assert (
            content["label"] == answer
            if task == "single-label"
            else content["score"] == pytest.approx(answer, rel=1e-5)
        )
        assert [word for word, _ in content["why"]] == [word for word, _ in found.why()]


def test_nothing_is_explained_of_no_texts_and_of_an_empty_text():
    for name in (*SUMS, *OTHERS):
        predictor = _known(name)
        assert predictor.explain([]) == []
        (found,) = predictor.explain([""])
        assert found.words == ()
        assert_close(found.logits, predictor.logits([""])[0], **OF_LOGITS, scale=100)


def test_what_cannot_be_explained_so_is_refused():
    with pytest.raises(InputError, match="no sum over words; use leave-one-out"):
        _known("bilstm", "score").explain(["w1"], method="features")
    with pytest.raises(InputError, match="expected one of features, leave-one-out, got 'shap'"):
        _known("bilstm", "score").explain(["w1"], method="shap")
    with pytest.raises(InputError, match="got one string"):
        _known("cnn", "score").explain("w1")


@pytest.mark.parametrize("name", ["fasttext", "bilstm"])
def test_the_command_line_says_why(capsys, tmp_path, packable, name):
    texts = tiny_texts(5, 1)[0] + [""]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n\n")
    arguments = ("--run", packable[name][0], tmp_path / "texts.txt")
    status, plain, _ = call(capsys, main, *arguments)
    assert status == 0
    status, output, _ = call(capsys, main, *arguments, "--explain")
    assert status == 0
    found = [json.loads(line) for line in output.splitlines()]
    model = dj.load(packable[name][0])
    expected = [explanation.to_json()["why"] for explanation in model.explain([*texts, ""])]
    assert [line.pop("why") for line in found][: len(expected)] == expected[: len(found)]
    assert found == [json.loads(line) for line in plain.splitlines()]
    refusal(capsys, main, *arguments, "--explain", "--text-column", "a")
