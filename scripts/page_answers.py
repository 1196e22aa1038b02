"""Ask a packed student's page for all texts of a test split, in Chromium, and compare its answers with NumPy's.

``python -m scripts.page_answers FILE… --export DIR``; it needs the extra test and a Chromium, on the path or named by
``CHROMIUM``.
"""

import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from distill_jax.console import parse_options, run_command, say
from distill_jax.conversion.html import Html
from distill_jax.data.exports import Export
from distill_jax.errors import InputError, MissingInputError
from distill_jax.extras import are_installed
from distill_jax.packed.student import PackedStudent, read_packed

BROWSER_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ASK = """
async (texts) => {
  const found = await student;
  return texts.map((text) => ({ ...found.answer(text), ids: found.tokenizer.encode(text).ids }));
}
"""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Whose pages, and on which texts."""

    packed: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE…")]
    """Packed files of python -m distill_jax.pack."""
    export: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """The export whose test texts are asked for, as the tokenizer spells them."""


def browser_path() -> str | None:
    """Return the Chromium that ``CHROMIUM`` names, or the one on the path; None = there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)


def main(words: list[str] | None = None) -> None:
    """Ask each page, and print what it says otherwise than NumPy.

    Raises:
        InputError: there is no browser, or a page answers otherwise.
    """
    arguments = parse_options(Arguments, words, prog="python -m scripts.page_answers", description=__doc__)
    path = browser_path()
    if path is None or not are_installed("playwright"):
        raise MissingInputError(
            "expected Playwright (the extra test) and a Chromium on the path or in CHROMIUM, got none"
        )
    from playwright.sync_api import sync_playwright

    tokens = Export.open(arguments.export).test.tokens
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_ARGUMENTS))
        for file in arguments.packed:
            student = read_packed(file)
            predictor = student.predictor()
            _compare(file, student, predictor.tokenizer.decode(tokens, predictor.config.pad_id), browser)


def _compare(file: Path, student: PackedStudent, texts: list[str], browser: Any) -> None:
    content = Html().files(student)["page.html"]
    found, seconds = _asked(content, texts, browser)
    predictor = student.predictor()
    task, logits = predictor.task, predictor.logits(texts)
    paged = np.array([one["logits"] for one in found], np.float32)
    answers = task.answers(logits)
    alike_answers = np.isclose if np.issubdtype(answers.dtype, np.floating) else np.equal  # scores have last bits
    same = alike_answers(task.answers(paged), answers).reshape(len(texts), -1).all(axis=1)
    rows = predictor.tokenizer.encode(texts)
    ids = np.split(rows.ids, rows.stops[:-1])
    alike = sum(one["ids"] == row.tolist() for one, row in zip(found, ids, strict=True))
    say(
        f"{file}: page of {len(content):,} bytes; {same.sum():,} of {len(texts):,} answers and the tokens of {alike:,} "
        f"texts are NumPy's; logits differ by {np.abs(paged - logits).max():.1e} at most; "
        f"{1e3 * seconds / len(texts):.1f} ms a text"
    )
    if not same.all() or alike < len(texts):
        raise InputError(f"{file}: expected the same answers and tokens in the page, got others")


def _asked(content: bytes, texts: list[str], browser: Any) -> tuple[list[dict[str, Any]], float]:
    """Return what a page says of texts, and the seconds that it takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_bytes(content)
        page = browser.new_page()
        page.goto(path.as_uri())
        page.evaluate("student.then(() => null)")
        started = time.perf_counter()
        return page.evaluate(_ASK, texts), time.perf_counter() - started


if __name__ == "__main__":
    run_command(main)
