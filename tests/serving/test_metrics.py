"""What the service counts, and when it says that texts are others than those of the file."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import distill_jax.serving
from asgi import get, post
from distill_jax.errors import InputError
from distill_jax.packed.student import read_packed
from distill_jax.serving.app import App
from distill_jax.serving.drift import HALF_LIFE, Drift, references
from distill_jax.serving.limits import Limits
from distill_jax.serving.metrics import STATUSES, Metrics
from distill_jax.serving.models import read_models
from distill_jax.serving.shared_numbers import SharedNumbers
from tiny_export import tiny_texts

_SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')


def samples(app):
    """Return the samples of ``/metrics``: name and labels → value."""
    found = {}
    for line in get(app, "/metrics").body.decode().split("\n")[:-1]:
        if not line.startswith("#"):
            name, labels, value = _SAMPLE.fullmatch(line).groups()
            found[name, labels or ""] = float(value)
    return found


@pytest.fixture
def model(packed):
    return read_models([packed["linear"]])[0]


def _app(model, **options):
    return App([model], Limits(), **options)


def test_requests_texts_and_answers_are_counted(model):
    app = _app(model)
    for texts in (["w1", "w2 nothing"], ["w3"] * 50, []):
        post(app, "/predict", {"texts": texts})
    post(app, "/predict", b"{")
    get(app, "/nothing")
    found = samples(app)
    assert found["distill_requests_total", 'endpoint="predict",status="200"'] == 3
    assert found["distill_requests_total", 'endpoint="predict",status="400"'] == 1
    assert found["distill_requests_total", 'endpoint="none",status="404"'] == 1
    assert found["distill_predict_seconds_count", ""] == found["distill_predict_seconds_bucket", 'le="+Inf"'] == 3
    assert found["distill_texts_total", 'model="linear"'] == 52
    assert found["distill_tokens_total", 'model="linear"'] == 3 * 52 + 1
    assert found["distill_unknown_tokens_total", 'model="linear"'] == 1
    assert sum(value for (name, _), value in found.items() if name == "distill_predictions_total") == 52
    assert found["distill_requests_under_way", ""] == 1


def test_every_sample_has_a_type_and_stands_beside_its_kind(model):
    app = _app(model)
    post(app, "/predict", {"texts": ["w1"]})
    lines = get(app, "/metrics").body.decode().split("\n")
    assert lines[-1] == ""
    kind = None
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            kind = line.split()[2]
        elif not line.startswith("# HELP "):
            assert re.sub(r"_(bucket|sum|count)$", "", _SAMPLE.fullmatch(line)[1]) == kind


def test_all_workers_are_summed_and_a_new_one_goes_on_where_the_dead_one_was(model):
    metrics = Metrics([model], workers=2)
    app = _app(model, metrics=metrics)
    for worker in (0, 1, 1):
        metrics.use_row(worker)
        post(app, "/predict", {"texts": ["w1", "w2"]})
        metrics.flush()
        metrics.begin()  # and dies in the middle of a request
    metrics.use_row(1)
    found = samples(app)
    assert found["distill_requests_total", 'endpoint="predict",status="200"'] == 3
    assert found["distill_texts_total", 'model="linear"'] == 6
    assert found["distill_requests_under_way", ""] == 2  # the first worker's, and this one


def _drift_of(student, texts, about):
    """Return each statistic's index of texts, where the file says ``about`` of its own."""
    predictor = student.predictor()
    drift = Drift("it", predictor, {"texts": about})
    drift.write_to(SharedNumbers(drift.blocks()))
    tokens = predictor.encode(texts)
    for start in range(0, len(texts), 7):
        part = tokens.take(np.arange(start, min(start + 7, len(texts))))
        drift.note(part, predictor.logits_of(part))
    drift.flush()
    return {statistic: drift.index(statistic) for statistic in drift.references}


def _statistics(student, texts):
    from distill_jax.packing.facts import text_facts

    predictor = student.predictor()
    tokens = predictor.encode(texts)
    return text_facts(predictor, tokens, predictor.logits_of(tokens))


@pytest.fixture(scope="module")
def student(packed):
    return dataclasses.replace(read_packed(packed["linear"]), facts={})


def test_texts_of_the_same_kind_do_not_drift_and_others_do(student):
    about = _statistics(student, tiny_texts(3_000, 0)[0])
    alike = _drift_of(student, tiny_texts(3_000, 1)[0], about)
    assert set(alike) == {"tokens", "unknown", "labels", "confidence"}
    assert max(alike.values()) < 0.05
    unknown = [text.replace("w1", "x1") for text in tiny_texts(3_000, 1)[0]]
    assert _drift_of(student, unknown, about)["unknown"] > 0.25
    assert _drift_of(student, [text[:8] for text in tiny_texts(3_000, 1)[0]], about)["tokens"] > 0.25
    other_classes = {**about, "label_shares": about["label_shares"][1:] + about["label_shares"][:1]}
    assert _drift_of(student, tiny_texts(3_000, 1)[0], other_classes)["labels"] > 0.25


def test_old_texts_fade(student):
    about = _statistics(student, tiny_texts(2_000, 0)[0])
    other, same = ["w1"] * 500, tiny_texts(10 * HALF_LIFE // 3, 1)[0]
    assert _drift_of(student, other, about)["tokens"] > 1
    assert _drift_of(student, [*other, *same], about)["tokens"] < 0.1


def test_a_file_without_statistics_has_no_drift(packed):
    app = _app(read_models([packed["cnn"]])[0])
    post(app, "/predict", {"texts": ["w1"]})
    found = samples(app)
    assert found["distill_texts_total", 'model="cnn"'] == 1
    assert not [name for name, _ in found if name == "distill_drift_psi"]


_LEVELS = {"0.25": 3.0, "0.75": 9.0}
_GOOD = {"rows": 10, "tokens": _LEVELS, "unknown_share": 0.1, "label_shares": [0.2, 0.3, 0.5], "confidence": _LEVELS}


@pytest.mark.parametrize(
    "change",
    [
        *({"rows": "many"}, {"tokens": None}, {"tokens": {"0.5": 3, "0.25": 9}}, {"tokens": {"0.25": 9, "0.75": 3}}),
        *({"tokens": {"0.5": float("nan")}}, {"unknown_share": 2}, {"unknown_share": None}, {"label_shares": [1.0]}),
        *({"label_shares": [2, -1, 0]}, {"confidence": []}),
    ],
)
def test_statistics_that_are_none_are_refused(change):
    assert set(references({"texts": _GOOD}, 3)) == {"tokens", "unknown", "labels", "confidence"}
    with pytest.raises(InputError):
        references({"texts": {**_GOOD, **change}}, 3)
    with pytest.raises(InputError):
        references({"texts": "good"}, 3)


def test_a_value_on_an_edge_is_half_in_each_bin_and_equal_quantiles_are_one_edge():
    about = {**_GOOD, "tokens": {"0.1": 2, "0.4": 3, "0.6": 3, "0.9": 5}}
    found = references({"texts": about}, 3)["tokens"]
    np.testing.assert_array_equal(found.edges, [2, 3, 5])
    np.testing.assert_allclose(found.shares * 12, [1.5, 4.5, 4.5, 1.5])
    np.testing.assert_array_equal(found.counts(np.array([1, 3, 4, 9])), [1, 0.5, 1.5, 1])
    assert found.index(np.zeros(4)) == 0


def test_every_status_that_the_service_answers_with_is_counted():
    folder = Path(distill_jax.serving.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    said = set(map(int, re.findall(r"Refused\(\s*(\d{3})", sources)))
    assert {400, 404, 413, 429, 505} <= said
    assert said - set(STATUSES) == set()
