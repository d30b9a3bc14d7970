"""A real browser on a real server, which must have nothing to complain of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from apps.accounts import services as accounts
from apps.accounts.models import User
from orchestrator import testing
from tests import make

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
#: What a page reports when its policy stops something.
WATCH = "addEventListener('securitypolicyviolation', event => console.error('CSP ' + event.violatedDirective))"


@dataclass
class Watched:
    """A page of the browser, what went wrong in it, and who is signed in."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def sign_in(self, person: User) -> Page:
        page = self.open("/admin/login/")
        page.get_by_label("Username").fill(person.username)
        page.locator("input[name=password]").fill(make.PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        return page

    def keep(self, name: str) -> None:
        """Keep a picture of the page as it is."""
        ARTEFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once for all tests. Playwright's loop runs in this thread, where Django would refuse its database."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=testing.find_browser(), args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def viewport() -> dict[str, int]:
    """How large the window is."""
    return WIDE


@pytest.fixture
def theme() -> str:
    """Light or dark."""
    return "light"


@pytest.fixture
def watched(browser: Browser, live_server, viewport, theme) -> Iterator[Watched]:
    """A page in a browser of its own, which at the end must not have complained or looked elsewhere."""
    context = browser.new_context(viewport=viewport, color_scheme=theme, timezone_id="UTC")
    context.add_init_script(WATCH)
    seen = Watched(context.new_page(), live_server.url)
    seen.page.set_default_timeout(15_000)

    def note_request(request: Request) -> None:
        if not request.url.startswith((live_server.url, "data:")):
            seen.complaints.append(f"asked {request.url}")

    seen.page.on("request", note_request)
    seen.page.on("pageerror", lambda error: seen.complaints.append(f"error: {error}"))
    seen.page.on("console", lambda line: seen.complaints.append(line.text) if line.type == "error" else None)
    yield seen
    context.close()
    assert seen.complaints == []


@pytest.fixture
def administrator(transactional_db) -> User:
    """Somebody who may do everything, with a password to sign in by."""
    return accounts.create_user(
        "ada",
        actor=make.SYSTEM,
        password=make.PASSWORD,
        name="Ada Lovelace",
        is_superuser=True,
        time_zone="Europe/Paris",
    )
