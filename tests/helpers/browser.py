"""Chromium without a window, by Playwright; where there is none, a test that asks for it is skipped and says why."""

import pytest

from scripts.page_answers import BROWSER_ARGUMENTS, browser_path


def require_browser():
    """Return the browser's path, or skip the test."""
    pytest.importorskip("playwright", reason="Playwright is not installed (the extra test)")
    path = browser_path()
    if path is None:
        pytest.skip("there is no Chromium on the path, nor named by CHROMIUM (apt-get install chromium)")
    return path


def launched(playwright):
    """Start the browser."""
    return playwright.chromium.launch(executable_path=require_browser(), args=list(BROWSER_ARGUMENTS))


def loaded(page, path):
    """Open a student's page and wait until it answers."""
    page.goto(path.as_uri())
    page.evaluate("student.then(() => null)")
    return page
