"""The words of a student's card, from what its packed file says of it. What is not known is left out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from distill_jax.conversion.markdown import plain, table
from distill_jax.packed.coding import Quantised
from distill_jax.packed.student import PackedStudent

_ANSWERS = {
    "single-label": "one of {count} classes",
    "multi-label": "any number of {count} labels",
    "score": "a number",
}
_LEVELS = ("0.05", "0.5", "0.95")


def card_page(student: PackedStudent, name: str, file: str, size: int) -> str:
    """Return the card below its metadata, as Markdown.

    Args:
        student: the student.
        name: what it is called.
        file: its packed file's name in the folder of the card.
        size: that file's bytes.
    """
    sections = {
        "How to load it": _loading(student, file),
        "Scores": _scores(student),
        "How sure it is": _certainty(student),
        "Size": _sizes(student, size),
        "Where it comes from": _origin(student.facts.get("run", {}), student.facts),
        "The texts it was tried on": _texts(student),
        "Limits": _limits(student),
    }
    lines = [f"# {plain(name)}", "", *_summary(student, size)]
    for title, section in sections.items():
        content = "\n".join(section).strip()
        lines += ["", f"## {title}", "", content] if content else []
    return "\n".join(lines) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _summary(student: PackedStudent, size: int) -> Iterator[str]:
    answer = _ANSWERS[student.config.task].format(count=len(student.label_names))
    teacher = student.facts.get("run", {}).get("teacher", {}).get("name")
    of = f" It learnt from the teacher {plain(teacher)}." if teacher else ""
    yield f"A small student ({student.config.title}, {size:,} bytes) that gives a text {answer}.{of}"
    if student.config.task != "score":
        yield ""
        yield from (f"- {plain(name)}" for name in student.label_names)


def _loading(student: PackedStudent, file: str) -> Iterator[str]:
    yield "`pip install distill-jax` brings NumPy and tokenizers, and no framework."
    yield from ("", "```python", "import distill_jax as dj", "", f'model = dj.load("{file}")')
    yield 'model.predict(["a text", "another"])'
    if student.config.labelling.link:
        yield 'model.predict_proba(["a text", "another"])'
    yield "```"


def _scores(student: PackedStudent) -> Iterator[str]:
    titles = {metric.name: metric.title for metric in student.config.labelling.metrics}
    for split, scores in student.facts.get("scores", {}).items():
        yield from (f"{plain(split).capitalize()}, {scores['labelled']:,} of {scores['rows']:,} rows with a label:", "")
        if scores["metrics"]:
            head = ("", "this file", "before it was packed", "change (95 % interval)", "teacher")
            rows = [_score(titles.get(name, name), metric) for name, metric in scores["metrics"].items()]
            yield from (*table(head, rows), "")
        yield from _agreement(scores)


def _score(title: str, metric: Mapping[str, Any]) -> list[str]:
    change = "–"
    if metric["change"] is not None:
        low, high = (_signed(limit) for limit in metric["change_interval"])
        change = f"{_signed(metric['change'])} ({low} to {high})"
    return [plain(title), _number(metric["after"]), _number(metric["before"]), change, _number(metric.get("teacher"))]


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.4f}"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _agreement(scores: Mapping[str, Any]) -> Iterator[str]:
    said = []
    if "agreement" in scores:
        share = _percent(scores["agreement"])
        said.append(f"The answer is that of the student before it was packed for {share} of the rows")
    if "teacher_agreement" in scores:
        said.append(f"the teacher's for {_percent(scores['teacher_agreement'][1])}")
    if said:
        yield from ("; ".join(said) + ".", "")


def _certainty(student: PackedStudent) -> Iterator[str]:
    temperature = student.decision.get("temperature")
    if temperature is not None:
        yield (
            f"Logits are divided by {temperature:.3f} before they become probabilities: the temperature under which the"
            " labels of the validation rows are the likeliest."
        )
    elif student.config.labelling.link == "softmax":
        yield "No calibration temperature was fitted: probabilities are the softmax of the logits."
    errors = student.facts.get("calibration_errors", {})
    if errors:
        rows = [[plain(split), _number(before), _number(after)] for split, (before, after) in errors.items()]
        yield from ("", *table(("expected calibration error", "without a temperature", "with it"), rows))
    if "thresholds" in student.decision:
        thresholds = zip(student.label_names, student.decision["thresholds"], strict=True)
        head = ("label", "answered from this probability on")
        yield from ("", *table(head, [(plain(name), f"{threshold:.3f}") for name, threshold in thresholds]))
    confidence = student.facts.get("texts", {}).get("confidence")
    if confidence:
        low, middle, high = (f"{confidence[level]:.2f}" for level in _LEVELS)
        yield ""
        yield f"The answer's probability is {middle} in the middle, from {low} to {high} for nine texts of ten."


def _sizes(student: PackedStudent, size: int) -> Iterator[str]:
    numbers = sum(math.prod(array.shape) for array in student.arrays.values())
    stored = sum(
        array.integers.size if isinstance(array, Quantised) else array.size for array in student.arrays.values()
    )
    rows = [["this file", f"{size:,} bytes"], ["its parameters", f"{numbers:,}, of which {stored:,} are stored"]]
    teacher = student.facts.get("run", {}).get("teacher", {})
    rows += [
        [f"the teacher's {name}", f"{teacher[name]:,}"]
        for name in ("parameters", "bytes")
        if teacher.get(name) is not None
    ]
    yield from table(("", ""), rows)


def _origin(run: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    rows = [["program", facts.get("program")], ["run", run.get("name")], ["run's SHA-256", run.get("sha256")]]
    for kind, title in (("teacher", "teacher"), ("export", "data")):
        about = run.get(kind, {})
        rows += [[title, about.get("name")], [f"{title}'s fingerprint", about.get("fingerprint")]]
    rows += [[f"training: {name}", value] for name, value in run.get("training", {}).items()]
    known = [(plain(title), plain(value)) for title, value in rows if value is not None]
    if known:
        yield from table(("", ""), known)


def _texts(student: PackedStudent) -> Iterator[str]:
    texts = student.facts.get("texts")
    if not texts:
        return
    low, middle, high = (f"{texts['tokens'][level]:.0f}" for level in _LEVELS)
    yield (
        f"{texts['rows']:,} validation texts, of {middle} tokens in the middle and {low} to {high} for nine of ten; "
        f"{_percent(texts['unknown_share'])} of the tokens were unknown. Other texts may be answered worse than the "
        "scores say."
    )
    if "label_shares" in texts:
        shares = zip(student.label_names, texts["label_shares"], strict=True)
        rows = [(plain(name), _percent(share)) for name, share in shares]
        yield from ("", *table(("class", "share of the answers"), rows))


def _limits(student: PackedStudent) -> Iterator[str]:
    yield f"- It reads the first {student.max_length:,} tokens of a text, special ones included."
    yield "- It knows the language, the subjects and the classes of its training texts alone."
    if student.facts.get("run", {}).get("training", {}).get("distil"):
        yield "- It repeats what its teacher gets wrong."
    if student.config.labelling.link == "softmax":
        yield "- It gives every text one of its classes, also a text that none of them fits."
    if not student.facts.get("scores"):
        yield "- Nothing was measured when it was packed."
    licence = student.facts.get("licence")
    yield f"- Licence: {plain(licence)}." if licence else "- No licence was stated."
