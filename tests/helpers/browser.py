"""Chromium without a window, by Playwright; where there is none, a test that asks for it is skipped and says why."""

import os
import shutil

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")


def chromium():
    """Return the browser's path: ``CHROMIUM``, or what lies on the path."""
    pytest.importorskip("playwright", reason="Playwright is not installed (the extra test)")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium on the path, nor named by CHROMIUM (apt-get install chromium)")
    return found


def launched(playwright):
    """Start the browser."""
    return playwright.chromium.launch(executable_path=chromium(), args=list(_ARGUMENTS))


def loaded(page, path):
    """Open a student's page and wait until it answers."""
    page.goto(path.as_uri())
    page.evaluate("student.then(() => null)")
    return page
