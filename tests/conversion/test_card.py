"""The card: a hub's reader finds the metadata, whatever the names are; what is data is never markup."""

import dataclasses
import html
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_lines import call, refusal
from distill_jax.conversion.front_matter import front_matter
from distill_jax.conversion.markdown import plain, table
from distill_jax.conversion.registry import converter_named
from distill_jax.convert import main as convert
from distill_jax.errors import printable
from distill_jax.metrics.interval import Interval
from distill_jax.metrics.resampling import Difference
from distill_jax.packing.loss import MetricLoss, SplitLoss, loss_json
from packed_students import TASKS, packed_student

yaml = pytest.importorskip("yaml", reason="PyYAML is of the extra hub")

HOSTILE = '"quoted": [a] | # <img src=x onerror=alert(1)> *b* `c` {d} https://e.example \\ & é \U0001f600 \x85 \u2028'
METRIC = {"before": 0.91, "after": 0.9, "teacher": 0.95, "change": -0.01, "change_interval": [-0.02, 0.005]}
FACTS = {
    "program": "distill-jax 0.1.0",
    "licence": "MIT",
    "run": {
        "name": "cnn-distil",
        "sha256": "ab" * 32,
        "training": {"recipe": "best", "distil": True, "seed": 0},
        "teacher": {"name": "big", "fingerprint": "cd" * 32, "parameters": 22_000_000, "bytes": 88_000_000},
        "export": {"name": "reviews", "fingerprint": "ef" * 32},
    },
    "scores": {
        "validation": {"rows": 1100, "labelled": 1100, "metrics": {"accuracy": METRIC}, "agreement": 0.97},
        "test": {
            "rows": 2826,
            "labelled": 2800,
            "metrics": {"accuracy": {**METRIC, "after": 0.8125}, "macro_f1": METRIC},
            "agreement": 0.98,
            "teacher_agreement": [0.65, 0.64],
        },
    },
    "calibration_errors": {"validation": [0.1234, 0.0321]},
    "texts": {
        "rows": 1100,
        "tokens": {"0.05": 10.0, "0.5": 24.0, "0.95": 48.0},
        "unknown_share": 0.012,
        "label_shares": [0.2, 0.3, 0.5],
        "confidence": {"0.05": 0.3, "0.5": 0.6, "0.95": 0.9},
    },
}


def card_of(student):
    """Return the card's metadata and its page."""
    content = converter_named("card").files(student)["README.md"].decode()
    _, head, page = content.split("---\n", 2)
    return yaml.safe_load(head), page


def test_the_metadata_is_what_a_hub_reads():
    metadata, _ = card_of(packed_student("cnn", facts=FACTS))
    results = metadata.pop("model-index")[0]["results"]
    assert metadata == {
        "license": "mit",
        "library_name": "distill-jax",
        "pipeline_tag": "text-classification",
        "tags": ["distill-jax", "knowledge-distillation", "cnn", "single-label"],
    }
    test = next(result for result in results if result["dataset"]["split"] == "test")
    assert test["dataset"] == {"name": "reviews", "type": "reviews", "split": "test"}
    assert [(metric["type"], metric["value"]) for metric in test["metrics"]] == [("accuracy", 0.8125), ("f1", 0.9)]
    assert len(results) == 2


def test_the_hub_s_own_library_finds_the_scores():
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is of the extra hub")
    content = converter_named("card").files(packed_student("cnn", facts=FACTS))["README.md"].decode()
    card = hub.ModelCard(content)
    found = {(one.dataset_split, one.metric_type): one.metric_value for one in card.data.eval_results}
    assert found["test", "accuracy"] == 0.8125
    assert card.data.license == "mit"


def test_the_page_says_scores_with_intervals_sizes_teacher_data_and_limits():
    student = packed_student("cnn", facts=FACTS)
    _, page = card_of(student)
    assert "| Accuracy | 0.8125 | 0.9100 | −0.0100 (−0.0200 to +0.0050) | 0.9500 |" in page
    for words in (
        f"{len(student.to_bytes()):,} bytes",
        "2,800 of 2,826 rows",
        "22,000,000",
        "ab" * 32,
        "ef" * 32,
        "teacher big",
        "divided by 1.700",
        "| validation | 0.1234 | 0.0321 |",
        "from 0.30 to 0.90",
        "98.0 % of the rows; the teacher's for 64.0 %",
        "first 16 tokens",
        'dj.load("student.djx")',
        "Licence: MIT",
    ):
        assert words in page


@pytest.mark.parametrize("task", TASKS)
def test_a_file_that_says_nothing_of_itself_has_a_card_too(task):
    metadata, page = card_of(packed_student("cnn", task=task))
    assert "model-index" not in metadata
    assert "license" not in metadata
    assert "Nothing was measured" in page
    assert "No licence was stated" in page
    assert ("predict_proba" in page) == (task != "score")


@pytest.mark.parametrize(
    ("licence", "known"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("All rights reserved: ACME\n---", {"license": "other", "license_name": "all-rights-reserved-acme"}),
    ],
)
def test_a_licence_is_the_hub_s_or_another(licence, known):
    metadata, _ = card_of(packed_student("cnn", facts={"licence": licence}))
    assert {name: value for name, value in metadata.items() if name.startswith("license")} == known


def test_hostile_names_stay_names():
    run = {**FACTS["run"], "name": HOSTILE, "export": {"name": HOSTILE}, "teacher": {"name": HOSTILE}}
    student = packed_student("cnn", facts={**FACTS, "run": run}, label_names=(HOSTILE, "---", "- half"))
    metadata, page = card_of(student)
    assert metadata["model-index"][0]["name"] == HOSTILE
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == HOSTILE
    assert "<img" not in page
    rendered = _rendered(page)
    assert "<img" not in rendered
    assert set(re.findall(r"<(\w+)", rendered)) <= {
        *("h1", "h2", "p", "ul", "li", "pre", "code", "table", "thead", "tbody", "tr", "th", "td")
    }


def _rendered(page):
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py renders it")
    return markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(page)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    "-+=.)1 *_#|<&\\`[]!~$@\n", max_size=12
)


@settings(max_examples=300, deadline=None)
@given(text=names)
def test_a_name_in_yaml_is_read_as_it_was(text):
    read = yaml.safe_load(
        front_matter({"name": text, "nested": [{"of": {"it": [text]}, "and": text}]}).split("\n---\n")[0][4:]
    )
    assert read == {"name": text, "nested": [{"of": {"it": [text]}, "and": text}]}


@settings(max_examples=300, deadline=None)
@given(text=names)
def test_a_name_in_markdown_is_shown_as_it_is(text):
    pytest.importorskip("markdown_it")
    page = "\n".join(["A line:", "", f"- {plain(text)}", "", *table(("a", "b"), [(plain(text), "end")])])
    rendered = _rendered(page)
    assert set(re.findall(r"<(\w+)", rendered)) <= {*("p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td")}
    item = html.unescape(re.search("<li>(.*?)</li>", rendered, re.DOTALL)[1])
    cells = [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", rendered)]
    shown = printable(" ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split()))
    assert [item, *cells] == [shown, shown, "end"]


def test_a_metric_that_the_rows_do_not_define_is_shown_as_none_and_is_no_result(tmp_path):
    found = Interval(math.nan, math.nan, math.nan)
    metric = MetricLoss("macro_f1", "Macro F1", math.nan, math.nan, math.nan, Difference(found, math.nan))
    facts = {**FACTS, "scores": {"test": loss_json(SplitLoss("test", 9, 1, (metric,), None, None, None))}}
    student = packed_student("bilstm", facts=facts)
    student.write(tmp_path / "a.djx")
    card = converter_named("card").files(student)["README.md"].decode()
    assert "| Macro F1 | – | – | – | – |" in card
    assert "nan" not in card.lower()
    assert "model-index" not in yaml.safe_load(card.split("\n---\n")[0][4:])


def test_the_folder_is_the_card_and_the_file_itself(tmp_path, capsys):
    packed_student("bilstm", facts=FACTS).write(tmp_path / "mine.djx")
    status, _, error = call(capsys, convert, tmp_path / "mine.djx", "--to", "card", "--output", tmp_path / "model")
    assert (status, error) == (0, "")
    assert (tmp_path / "model" / "student.djx").read_bytes() == (tmp_path / "mine.djx").read_bytes()
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "student.djx"]
    status, _, error = call(
        capsys, convert, tmp_path / "mine.djx", "--to", "onnx", "--output", tmp_path / "model" / "onnx"
    )
    assert (status, error) == (0, "")


@pytest.mark.parametrize("damage", [{"scores": {"test": 3}}, {"run": []}, {"texts": {"rows": "many"}}])
def test_facts_that_are_none_are_refused_in_a_sentence(tmp_path, capsys, damage):
    dataclasses.replace(packed_student("cnn"), facts={**FACTS, **damage}).write(tmp_path / "mine.djx")
    message = refusal(capsys, convert, tmp_path / "mine.djx", "--to", "card")
    assert "--to card: expected facts as distill_jax.pack writes them" in message
    assert not (tmp_path / "mine-card").exists()
