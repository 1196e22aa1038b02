import pytest

from browser import launched, loaded, require_browser
from distill_jax.conversion.html import Html
from page_students import page_student


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window."""
    require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = launched(playwright)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Open the page of a packed student, or of a kind of student; its complaints are in ``page.complaints``."""
    opened = []

    def open_(student, **options):
        student = page_student(student) if isinstance(student, str) else student
        path = tmp_path / f"{len(opened)}.html"
        Html().write(student, path)
        page = browser.new_page(**options)
        page.set_default_timeout(20_000)
        page.complaints, page.requests = [], []
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        opened.append(page)
        return loaded(page, path)

    yield open_
    for page in opened:
        page.close()
