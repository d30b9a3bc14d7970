"""What the pages of the admin do by themselves in a browser: refresh without getting in the way, and hold still."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests import make
from tests.e2e.conftest import NARROW
from tests.e2e.hands import ByHand

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
#: Milliseconds in which a page that looks every few seconds has surely looked, on a busy machine too.
PATIENCE = 20_000


def refresh(page) -> None:
    """Wait until the page has asked for its news once more and has taken them in."""
    with page.expect_response(lambda answer: "/live/" in answer.url and answer.status == 200):
        page.wait_for_timeout(10)
    page.wait_for_timeout(100)


def test_a_page_that_refreshes_leaves_what_is_the_same_as_the_reader_has_it(watched, administrator):
    process = make.process()
    job = make.job(process, parameters={"customer": "ACME GmbH " * 1_000})
    robot = ByHand(make.machine(process.tenant))
    robot.take()
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")
    parameters = page.locator("#op-main pre").last
    parameters.evaluate("element => { element.scrollTop = 300; element.focus() }")
    before = page.locator("#op-side").inner_text()

    refresh(page)

    assert page.locator("#op-side").inner_text() != before
    assert parameters.evaluate("element => element.scrollTop") == 300
    assert parameters.evaluate("element => document.activeElement === element")


def test_a_page_that_refreshes_holds_still_while_a_menu_is_open_or_text_is_marked(watched, administrator):
    process = make.process()
    job = make.job(process)
    robot = ByHand(make.machine(process.tenant))
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")
    page.get_by_label("More").click()
    robot.take()
    page.wait_for_timeout(4_000)
    expect(page.locator("#op-head")).to_contain_text("Pending")

    page.keyboard.press("Escape")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#op-side'))")
    page.wait_for_timeout(4_000)
    expect(page.locator("#op-head")).to_contain_text("Pending")

    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#op-head")).to_contain_text("Running", timeout=PATIENCE)


def test_a_menu_fits_into_a_narrow_window(watched, administrator):
    robot = make.robot()
    watched.page.set_viewport_size(NARROW)
    watched.sign_in(administrator)
    page = watched.open(f"/admin/robots/robot/{robot.pk}/change/")

    page.get_by_label("More").click()

    box = page.locator(".op-menu-list").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW["width"]
    watched.keep("admin-menu-narrow")


def test_a_page_nobody_looks_at_asks_for_nothing(watched, administrator):
    process = make.process()
    job = make.job(process)
    robot = ByHand(make.machine(process.tenant))
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    robot.take()
    page.wait_for_timeout(4_000)
    assert asked == []

    page.evaluate("Object.defineProperty(document, 'hidden', { value: false, configurable: true })")
    expect(page.locator("#op-head")).to_contain_text("Running", timeout=PATIENCE)


def test_who_is_signed_out_meanwhile_is_led_to_the_login(watched, administrator):
    process = make.process()
    job = make.job(process)
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")

    page.context.clear_cookies()

    page.wait_for_url("**/admin/login/?next=**")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert page.url.endswith(f"/admin/login/?next=/admin/jobs/job/{job.pk}/change/")


def test_a_list_follows_its_jobs_and_keeps_what_is_ticked(watched, administrator):
    process = make.process()
    job = make.job(process)
    robot = ByHand(make.machine(process.tenant))
    watched.sign_in(administrator)
    page = watched.open("/admin/jobs/job/")
    box = page.locator(f"input[name=_selected_action][value='{job.pk}']")
    box.check()

    robot.take()

    expect(page.locator(f"[id='job_status-{job.pk}']")).to_contain_text("Running", timeout=PATIENCE)
    expect(page.locator(f"[id='tries-{job.pk}']")).to_contain_text("1 of 1")
    expect(box).to_be_checked()
    expect(page.get_by_text("1 of 1 selected")).to_be_visible()


def test_one_process_is_shared_by_its_page_and_its_guest_runs_it(watched, administrator):
    process = make.process(name="Monthly invoices")
    make.process(process.folder, name="Salaries")
    guest = make.user("robots.view_robot", inside=process.tenant)
    guest.set_password(make.PASSWORD)
    guest.save()
    page = watched.sign_in(administrator)
    page.goto(f"{watched.address}/admin/processes/process/{process.pk}/share/")
    page.get_by_label("With whom").select_option(str(guest.pk))
    page.get_by_label("Run it").check()
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_role("heading", name="Shared with")).to_be_visible()
    watched.keep("admin-shared")

    page.context.clear_cookies()
    watched.sign_in(guest)
    page.get_by_role("link", name="Processes").click()
    expect(page.get_by_role("link", name="Monthly invoices")).to_be_visible()
    expect(page.get_by_text("Salaries")).to_have_count(0)
    page.get_by_role("link", name="Monthly invoices").click()
    page.get_by_role("link", name="Run now").click()
    page.get_by_role("button", name="Run now").click()

    expect(page.get_by_text("The job is in line.")).to_be_visible()
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
