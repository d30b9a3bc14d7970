"""The main job with nothing played: a real browser, and a real robot that has only an address and a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.jobs.models import Execution, Job, JobStatus
from apps.jobs.models.invariants import check_live
from tests import make, robots_at_work
from tests.e2e.steps import add_machine, make_process, run_now, upload
from tests.flows import EXAMPLES

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MINUTE = 60_000


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An example, built as its author would."""
    built = robots_at_work.run_command("package", "build", str(EXAMPLES / "long-run"), "--output", str(tmp_path))
    assert built.returncode == 0, built.stderr
    return next(tmp_path.glob("*.bvpackage"))


@pytest.fixture
def page(watched, administrator, package, settings) -> Iterator[Page]:
    """The page of a process whose package was uploaded, with a robot at work that was added a moment ago."""
    settings.SYNC_MIN, settings.SYNC_MAX, settings.RENEW_EVERY = 0.2, 0.4, 1
    make.tenant("Acme")
    page = watched.sign_in(administrator)
    upload(page, package)
    expect(page.get_by_role("heading", name="long-run 1.0.0")).to_be_visible()
    key = add_machine(page)
    with robots_at_work.running(home=package.parent / "home", url=watched.address, key=key, name="robot-1"):
        make_process(page, "Long run", package="long-run")
        yield page


def test_a_job_runs_on_a_real_robot_is_followed_and_another_is_cancelled(watched, page):
    run_now(page, seconds="2", tick="0.5")
    expect(page.locator("#log-lines")).to_contain_text("Working for 2 seconds", timeout=MINUTE)
    expect(page.locator("#op-head")).to_contain_text("Completed", timeout=MINUTE)
    expect(page.locator("#op-main")).to_contain_text('"was_stopped": false')
    expect(page.locator("#log-lines")).to_contain_text("Everything is tidied up")
    watched.keep("e2e-real-robot-1-completed")

    page.get_by_role("link", name="Run again…").click()
    page.locator("[name='parameters.seconds']").fill("600")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#log-lines")).to_contain_text("Working for 600 seconds", timeout=MINUTE)
    watched.keep("e2e-real-robot-2-running")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#op-head")).to_contain_text("Cancelled", timeout=MINUTE)
    expect(page.locator("#log-lines")).to_contain_text("Everything is tidied up")
    watched.keep("e2e-real-robot-3-cancelled")

    states = [JobStatus.COMPLETED, JobStatus.CANCELLED]
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == states
    assert Execution.objects.count() == 2
    assert [str(finding) for finding in check_live() if not finding.holds] == []
