"""What the service answers, and what it refuses in one sentence."""

import asyncio
import codecs
import dataclasses
import json
import time

import numpy as np
import pytest

import distill_jax as dj
from asgi import ask, get, post, run
from distill_jax.errors import InputError
from distill_jax.packed.student import read_packed
from distill_jax.serving import app as application
from distill_jax.serving.app import App
from distill_jax.serving.bodies import LINES, PLAIN
from distill_jax.serving.http import Request
from distill_jax.serving.limits import Limits, Refused
from distill_jax.serving.models import read_models
from tiny_export import tiny_texts
from tolerances import SIX_DECIMALS

TEXTS = [*tiny_texts(40, 3)[0], "", "w1 " * 99, "unknown wörds ✓", "w3\nw4\u2028w5"]
ALL = ("linear", "cnn", "bilstm", "several", "score")


def _lines(packed, name, texts):
    model = dj.load(packed[name])
    lines = model.task.json_lines(model.label_names, ensure_ascii=False).format(model.logits(texts))
    return [json.loads(line) for line in lines.split("\n")[:-1]]


def _refused(answer, status):
    assert answer.status == status, answer
    assert set(answer.json()) == {"error"}
    sentence = answer.json()["error"]
    assert sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.mark.parametrize("name", ALL)
def test_an_answer_is_what_the_student_says_of_each_text(app, packed, name):
    answer = post(app, f"/models/{name}/predict", {"texts": TEXTS})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"predictions": _lines(packed, name, TEXTS)}


def test_the_first_student_answers_without_its_name(app, packed):
    assert post(app, "/predict", {"texts": TEXTS}).body == post(app, "/models/linear/predict", {"texts": TEXTS}).body


def test_plain_lines_get_a_line_of_json_each(app, packed):
    texts = [text for text in TEXTS if "\n" not in text]
    answer = post(app, "/predict", "\ufeff".encode() + "\r\n".join(texts).encode(), "text/plain; charset=UTF-8")
    assert (answer.status, answer.headers["content-type"]) == (200, LINES)
    assert answer.lines() == _lines(packed, "linear", texts)


@pytest.mark.parametrize(
    ("body", "texts"), [(b"", []), (b"\n", [""]), (b"w1", ["w1"]), (b"w1\n\nw2\n", ["w1", "", "w2"])]
)
def test_a_line_feed_ends_a_text_and_the_last_one_begins_none(app, packed, body, texts):
    assert post(app, "/predict", body, PLAIN).lines() == _lines(packed, "linear", texts)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_stream_is_answered_line_by_line_however_it_is_cut(app, packed, size):
    stream = codecs.BOM_UTF8 + b"\n\n".join(json.dumps({"text": text}).encode() for text in TEXTS)
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    answer = run(ask(app, "POST", "/predict", parts, LINES))
    assert (answer.status, answer.headers["content-type"]) == (200, LINES)
    assert answer.lines() == _lines(packed, "linear", TEXTS)


def test_a_stream_is_answered_before_it_ends(app):
    async def first_line():
        answered = asyncio.Event()
        sent = []

        async def receive():
            if not sent:
                sent.append(None)
                return {"type": "http.request", "body": b'{"text": "w1"}\n', "more_body": True}
            await answered.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if message.get("body"):
                answered.set()

        headers = [(b"content-type", LINES.encode())]
        await app({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)

    run(asyncio.wait_for(first_line(), 5))


def test_a_bad_line_of_a_stream_is_answered_in_its_place(app, packed):
    good, long = b'{"text": "w1 w2"}', b'{"text": "' + b"w" * 30_000 + b'"}'
    bad = [
        b"[]",
        b"{",
        b"\xff",
        b'{"text": ["a", "b"]}',
        b'{"text": "\\ud800"}',
        b'{"texts": ["w1"]}',
        long,
        b"[" * 9_999,
    ]
    answer = post(app, "/predict", b"\n".join(part for each in bad for part in (good, each)) + b"\n" + good, LINES)
    lines = answer.lines()
    assert lines[::2] == _lines(packed, "linear", ["w1 w2"] * (len(bad) + 1))
    assert [set(line) for line in lines[1::2]] == [{"error"}] * len(bad)
    assert [line["error"].partition(":")[0].partition(",")[0] for line in lines[1::2]] == [
        f"line {2 * place + 2}" for place in range(len(bad))
    ]


def test_a_stream_that_stops_ends_with_a_sentence(app):
    answer = run(ask(app, "POST", "/predict", (b'{"text": "w1"}\n{"te',), LINES, waits=True))
    assert [set(line) for line in answer.lines()] == [{"label", "probabilities"}, {"error"}]


@pytest.mark.parametrize("name", ALL)
def test_a_text_gets_the_same_answer_alone_among_others_and_beside_other_requests(app, name):
    path = f"/models/{name}/predict"
    together = post(app, path, {"texts": TEXTS}).json()["predictions"]

    async def beside():
        bodies = [json.dumps({"texts": [text]}).encode() for text in TEXTS[:4]]
        return await asyncio.gather(*(ask(app, "POST", path, (body,), "application/json") for body in bodies))

    for index, text in enumerate(TEXTS):
        (alone,) = post(app, path, {"texts": [text]}).json()["predictions"]
        _require_alike(alone, together[index])
    for answer, expected in zip(run(beside()), together[:4], strict=True):
        _require_alike(answer.json()["predictions"][0], expected)


def _require_alike(one, other):
    """Require the same answer; a matrix product of another size may round the last digit differently."""
    assert one.get("label") == other.get("label")
    assert one.get("labels") == other.get("labels")
    if "score" in one:
        np.testing.assert_allclose(one["score"], other["score"], rtol=2 * SIX_DECIMALS)
        return
    assert list(one["probabilities"]) == list(other["probabilities"])
    np.testing.assert_allclose(
        *(list(each["probabilities"].values()) for each in (one, other)), rtol=0, atol=4 * SIX_DECIMALS
    )


def test_two_texts_are_two_texts_and_never_a_pair(app, packed):
    assert post(app, "/predict", {"texts": ["w1 w2", "w3"]}).json()["predictions"] == [
        *_lines(packed, "linear", ["w1 w2"]),
        *_lines(packed, "linear", ["w3"]),
    ]
    assert "a pair of texts is not read" in _refused(post(app, "/predict", {"texts": [["w1 w2", "w3"]]}), 422)


def test_no_texts_have_no_answers(app):
    assert post(app, "/predict", {"texts": []}).json() == {"predictions": []}


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b'{"texts": [}',
            b"\xff\xfe{",
            b'{"texts": ["\xc3"]}',
            b'{"texts": [NaN]}',
            b'{"texts": [Infinity]}',
        ),
        *(b"[" * 19_000, b'{"a":' * 3_000, '{"texts": ["a"]}'.encode("utf-16"), b'{"texts": [' + b"9" * 5_000 + b"]}"),
        *(b"\0" * 100, b'{"texts": ["a"]} x', b'{"texts": ["\x01"]}'),
    ],
)
def test_what_is_no_json_is_refused(app, body):
    assert "expected" in _refused(post(app, "/predict", body), 400)


@pytest.mark.parametrize(
    "body",
    [
        *([], None, True, 3, "w1", ["w1", "w2"], {}, {"text": "w1"}, {"texts": ["w1"], "pair": ["w2"]}),
        *({"texts": value} for value in ("w1", None, 1, {}, {"a": "b"}, [1], [None], [["w1"]], [{}], ["w1", 1.5])),
        *(b'{"texts": ["a"], "texts": ["b"]}', b'{"texts": ["\\ud800"]}', b'{"texts": ["a", "\\udfff\\ud800"]}'),
        *({"texts": ["w"] * 201}, {"texts": ["w1", "w" * 1_001]}),
    ],
)
def test_json_that_is_no_texts_is_refused(app, body):
    assert "expected" in _refused(post(app, "/predict", body), 422)


@pytest.mark.parametrize(("body", "status"), [(b"a\0b", 400), (b"\xff", 400), (b"w\n" * 201, 422), (b"w" * 1_001, 422)])
def test_lines_that_are_no_texts_are_refused(app, body, status):
    _refused(post(app, "/predict", body, PLAIN), status)


def test_a_body_that_is_too_large_is_refused_however_it_comes(app):
    body = json.dumps({"texts": ["w1 " * 300] * 30}).encode()
    assert len(body) > 20_000
    _refused(post(app, "/predict", body), 413)
    _refused(run(ask(app, "POST", "/predict", (body[:9_000], body[9_000:]), "application/json")), 413)
    unread = run(ask(app, "POST", "/predict", (b"",), "application/json", waits=True, content_length=20_001))
    _refused(unread, 413)
    _refused(post(app, "/predict", b'{"texts": []}', content_length="9" * 5_000), 413)


def test_a_client_that_does_not_go_on_is_refused(app):
    _refused(run(ask(app, "POST", "/predict", (b'{"te',), "application/json", waits=True)), 408)


def test_a_body_that_comes_too_slowly_is_refused(app):
    dripped = [b'{"texts": [', *[b" "] * 400, b"]}"]

    async def slowly():
        for part in dripped:
            await asyncio.sleep(0.01)
            yield part

    async def all_of_it():
        parts = slowly()

        async def receive():
            return {"type": "http.request", "body": await anext(parts), "more_body": True}

        request = Request({"method": "POST", "path": "/predict", "headers": []}, receive, Limits(read_seconds=0.2))
        return await request.body()

    with pytest.raises(Refused, match=r"expected its next part within 0\.2 seconds, and 16 KiB a second") as caught:
        run(all_of_it())
    assert caught.value.status == 408


def test_streams_leave_room_for_other_requests(app):
    async def all_at_once():
        open_ended = [asyncio.create_task(ask(app, "POST", "/predict", (b"",), LINES, waits=True)) for _ in range(2)]
        await asyncio.sleep(0.05)
        third = await ask(app, "POST", "/predict", (b"{}",), LINES)
        other = await ask(app, "POST", "/predict", (b'{"texts": []}',), "application/json")
        await asyncio.gather(*open_ended)
        return third, other, await ask(app, "POST", "/predict", (b"",), LINES)

    third, other, after = run(all_at_once())
    _refused(third, 429)
    assert (other.status, after.status) == (200, 200)


def test_a_prediction_waits_for_no_more_than_one_explained_text(app, monkeypatch):
    explained = []

    def slow(_, text):
        time.sleep(0.02)
        explained.append(text)
        return text

    monkeypatch.setattr(application, "_explanation", slow)

    async def all_at_once():
        body = json.dumps({"texts": ["w1"] * 20}).encode()
        slow_ones = [asyncio.create_task(ask(app, "POST", "/explain", (body,), "application/json")) for _ in range(3)]
        await asyncio.sleep(0.05)
        many = json.dumps({"texts": ["w1"] * 40}).encode()
        answer = await ask(app, "POST", "/predict", (many,), "application/json")
        before = len(explained)
        return answer, before, await asyncio.gather(*slow_ones)

    answer, before, slow_ones = run(all_at_once())
    assert answer.status == 200
    assert before < 30
    assert [found.json() for found in slow_ones] == [{"explanations": ["w1"] * 20}] * 3


def test_nothing_is_explained_to_a_client_that_has_gone(app, monkeypatch):
    explained = []
    monkeypatch.setattr(application, "_explanation", lambda _, text: (time.sleep(0.02), explained.append(text)))
    body = json.dumps({"texts": ["w1"] * 30}).encode()
    assert run(ask(app, "POST", "/explain", (body,), "application/json", leaves=True)) is None
    assert len(explained) < 10


def test_a_client_that_goes_away_gets_nothing_and_harms_nobody(app, packed):
    async def gone():
        async def receive():
            return {"type": "http.disconnect"}

        headers = [(b"content-type", b"application/json")]
        await app({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, None)

    run(gone())
    assert post(app, "/predict", {"texts": ["w1"]}).json() == {"predictions": _lines(packed, "linear", ["w1"])}


def test_more_requests_than_allowed_are_refused_and_the_others_answered(app):
    async def all_at_once():
        slow = [
            asyncio.create_task(ask(app, "POST", "/predict", (b'{"te',), "application/json", waits=True))
            for _ in range(4)
        ]
        await asyncio.sleep(0.05)
        refused = await ask(app, "POST", "/predict", (b'{"texts": []}',), "application/json")
        stream = await ask(app, "POST", "/predict", (b"{}",), LINES)
        health = await ask(app, "GET", "/health")
        await asyncio.gather(*slow)
        return refused, stream, health, await ask(app, "POST", "/predict", (b'{"texts": []}',), "application/json")

    refused, stream, health, after = run(all_at_once())
    for answer in (refused, stream):
        _refused(answer, 429)
        assert int(answer.headers["retry-after"]) >= 1
    assert (health.status, after.status) == (200, 200)


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        (None, {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=latin-1", {}),
        ("application/json", {"content_encoding": "gzip"}),
        ("text/html", {}),
    ],
)
def test_another_type_of_content_is_refused(app, content_type, headers):
    _refused(post(app, "/predict", {"texts": ["w1"]}, content_type, **headers), 415)


@pytest.mark.parametrize(
    "path", ["/nothing", "/predict/", "//predict", "/models/none/predict", "/models/../info", "", "/\udc80"]
)
def test_a_path_that_is_not_there_is_said_so(app, path):
    _refused(get(app, path), 404)
    _refused(post(app, path, {"texts": ["w1"]}), 404)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/predict"), ("PUT", "/predict"), ("POST", "/health"), ("x" * 99, "/")]
)
def test_another_method_is_refused_with_those_that_are_allowed(app, method, path):
    answer = get(app, path, method)
    _refused(answer, 405)
    assert answer.headers["allow"] == ("POST" if path == "/predict" else "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health", "/ready", "/metrics", "/models", "/info"])
def test_head_gives_the_headers_alone(app, path):
    whole, head = get(app, path), get(app, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]


def test_info_says_what_the_file_says(app, packed):
    import hashlib

    found = get(app, "/info").json()
    assert found["sha256"] == hashlib.sha256(packed["linear"].read_bytes()).hexdigest()
    assert found["facts"]["licence"] == "CC0-1.0"
    assert "linear.djx" in found["card"]
    assert get(app, "/models").json() == {"models": list(packed)}


def test_a_fault_of_ours_is_one_sentence_and_says_no_text(app, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("w1 secret")

    monkeypatch.setattr(dj.Predictor, "logits_of", fail)
    answer = post(app, "/predict", {"texts": ["w1 secret"]})
    _refused(answer, 500)
    assert b"secret" not in answer.body
    error = capsys.readouterr().err
    assert "secret" not in error
    assert json.loads(error)["error"] == "RuntimeError"


def test_a_text_of_a_client_never_stands_in_the_log(packed, capsys):
    app = App(read_models([packed["linear"]]), Limits(), log_requests=True)
    post(app, "/predict", {"texts": ["secret w1"]})
    post(app, "/predict", b"secret")
    get(app, "/" + "a\nb" * 500)
    error = capsys.readouterr().err
    assert "secret" not in error
    lines = [json.loads(line) for line in error.splitlines()]
    assert [line["status"] for line in lines] == [200, 400, 404]
    assert all(len(line["path"]) <= 200 for line in lines)


def test_the_pages_load_nothing_from_elsewhere_and_show_names_as_text(app):
    for path in ("/", "/docs"):
        page = get(app, path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"//" not in get(app, "/docs").body.replace(b"</", b"")
    document = get(app, "/openapi.json").json()
    assert {"/predict", "/models/cnn/explain", "/metrics", "/ready"} <= set(document["paths"])
    assert all(path.encode() in get(app, "/docs").body for path in document["paths"])


@pytest.mark.parametrize("name", ALL)
def test_an_explanation_is_the_student_s(app, packed, name):
    answer = post(app, f"/models/{name}/explain", {"texts": TEXTS[:5]})
    expected = [explanation.to_json() for explanation in dj.load(packed[name]).explain(TEXTS[:5])]
    assert (answer.status, answer.json()) == (200, {"explanations": expected})
    _refused(post(app, f"/models/{name}/explain", {"texts": ["w1"] * 33}), 422)


def test_a_text_that_the_tokenizer_cannot_read_is_refused_and_the_others_answered(packed, tmp_path):
    student = read_packed(packed["linear"])
    model = {**json.loads(student.tokenizer)["model"], "unk_token": "[NONE]"}
    tokenizer = json.dumps({**json.loads(student.tokenizer), "model": model})
    dataclasses.replace(student, tokenizer=tokenizer, facts={}).write(tmp_path / "picky.djx")
    app = App(read_models([tmp_path / "picky.djx"]), Limits())

    async def together():
        bodies = [json.dumps({"texts": [text]}).encode() for text in ("w1 w2", "nothing", "w3")]
        return await asyncio.gather(*(ask(app, "POST", "/predict", (body,), "application/json") for body in bodies))

    good, bad, other = run(together())
    _refused(bad, 422)
    assert [each.json()["predictions"] for each in (good, other)] == [
        _lines(packed, "linear", ["w1 w2"]),
        _lines(packed, "linear", ["w3"]),
    ]


def test_two_files_of_one_name_and_what_is_no_packed_student_are_refused(packed, tmp_path):
    (tmp_path / "linear.djx").write_bytes(packed["linear"].read_bytes())
    with pytest.raises(InputError, match=r"another file is called linear already.*rename one"):
        read_models([packed["linear"], tmp_path / "linear.djx"])
    with pytest.raises(InputError, match="got a folder"):
        read_models([tmp_path])
