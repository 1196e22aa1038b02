"""What the pages name is there: linked files, tests, modules and commands."""

import re

import pytest

from command_lines import ROOT, python

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
TESTS = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def _name(path):
    return path.name


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_that_are_there(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def _anchors(page):
    """Return the anchors that a Markdown page's headings get where it is shown as GitHub does."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = (heading.replace("`", "").lower() for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_headings_that_are_there(page):
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    own = [(page.parent / name if name else page, anchor) for name, anchor in links if "://" not in name]
    assert [(target.name, anchor) for target, anchor in own if anchor not in _anchors(target)] == []


def test_tests_that_the_parity_page_names_are_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")))
    assert len(named) > 10
    assert named - TESTS == set()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in {"CHANGELOG.md", "decisions.md"}], ids=_name
)
def test_files_of_the_packages_that_are_named_are_there(page):
    named = re.findall(
        r"`((?:distill_jax|teacher_export|scripts|tests)/[\w/]+(?:\.py|/))`", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_student_of_the_design_page_can_be_registered():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.DOTALL)
    sizes = {"vocab_size": 9, "num_labels": 2, "pad_id": 0, "embedding_dim": 4}
    ask = (
        f"print(registry.student_config('averaging', **{sizes}).module(nnx.Rngs(0))(jax.numpy.ones((2, 3), int)).shape)"
    )
    assert python(f"{code}\n{ask}") == "(2, 2)\n"
