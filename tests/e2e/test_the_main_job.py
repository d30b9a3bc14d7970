"""From an empty system to a job that ran and one that was cancelled, as a person does it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.audit.models import AuditEntry
from apps.jobs.models import Job, JobStatus
from apps.jobs.rules.reports import End
from apps.robots.models import Machine
from tests import make
from tests.e2e.hands import AtWork, ByHand
from tests.e2e.steps import add_machine, make_process, run_now, upload

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SOURCE = '''
from typing import Literal

def main(customer: str, amount: int = 10, mode: Literal["draft", "final"] = "draft", tags: list[str] | None = None):
    """Add up what a customer owes.

    Args:
        customer: Whose invoices.
    """
    return {"sum": amount}
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package on disk, as somebody would choose it."""
    path = tmp_path / "invoices.bvpackage"
    path.write_bytes(make.package_file(name="invoices", source=SOURCE).getvalue())
    return path


def hire(page: Page) -> AtWork:
    """Add a machine in the browser, and put a robot on it."""
    add_machine(page)
    return ByHand(Machine.objects.get())


def test_a_package_is_uploaded_run_followed_and_cancelled(watched, administrator, package):
    make.tenant("Acme")
    page = watched.sign_in(administrator)
    watched.keep("e2e-1-first-page")

    upload(page, package)
    expect(page.get_by_role("heading", name="invoices 1.0.0")).to_be_visible()
    watched.keep("e2e-2-uploaded")
    make_process(page, "Monthly invoices", package="invoices")
    expect(page.get_by_text("It has not run yet")).to_be_visible()

    run_now(page, customer="ACME GmbH", amount="12")
    expect(page.get_by_text("There is no robot in this tenant.")).to_be_visible()
    watched.keep("e2e-3-waiting")
    first = page.url

    robot = hire(page)
    page.goto(first)
    robot.take()
    expect(page.locator("#op-head")).to_contain_text("Running")
    robot.write(("INFO", "begins"), ("WARN", "slow"), *[("INFO", f"row {number}") for number in range(60)])
    expect(page.locator("#log-lines")).to_contain_text("row 59")
    robot.write(("INFO", "nearly there"))
    expect(page.locator("#log-lines")).to_contain_text("nearly there")
    watched.keep("e2e-4-running")

    robot.end(End.COMPLETED, result={"sum": 12})
    expect(page.locator("#op-head")).to_contain_text("Completed")
    expect(page.locator("#op-main")).to_contain_text('"sum": 12')
    expect(page.locator("#log-state")).to_contain_text("complete")
    watched.keep("e2e-5-completed")

    page.get_by_role("link", name="Run again…").click()
    expect(page.locator("[name='parameters.customer']")).to_have_value("ACME GmbH")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("link", name="Cancel")).to_be_visible()
    second = page.url
    robot.take()
    expect(page.locator("#op-head")).to_contain_text("Running")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Reason").fill("not needed")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#op-head")).to_contain_text("Cancelling")
    robot.end(End.CANCELLED)
    expect(page.locator("#op-head")).to_contain_text("Cancelled")
    assert page.url == second
    watched.keep("e2e-6-cancelled")

    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == [
        JobStatus.COMPLETED,
        JobStatus.CANCELLED,
    ]
    assert AuditEntry.objects.get(action="job.cancelled").reason == "not needed"


def test_a_package_that_is_wrong_is_told_everything_in_place(watched, administrator, tmp_path):
    make.tenant("Acme")
    wrong = tmp_path / "wrong.bvpackage"
    wrong.write_bytes(make.package_file(name="wrong", version="one", **{"requirements.lock": "\0"}).getvalue())
    page = watched.sign_in(administrator)

    upload(page, wrong)

    expect(page.get_by_text("The file was not accepted")).to_be_visible()
    expect(page.locator("#problems")).to_contain_text("bvproject.yaml")
    watched.keep("e2e-upload-refused")


def test_a_log_holds_still_while_somebody_reads_and_follows_again(watched, administrator):
    process = make.process()
    job = make.job(process)
    robot = ByHand(make.machine(process.tenant))
    robot.take()
    robot.write(*[("INFO", f"row {number}") for number in range(200)], ("ERROR", "it broke"))
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")
    scroller = page.locator("[data-log-scroll]")
    expect(page.locator("#log-lines")).to_contain_text("it broke")

    scroller.evaluate("log => { log.scrollTop = 0 }")
    expect(page.locator("[data-log-paused]")).to_be_visible()
    robot.write(("INFO", "written while reading"))
    page.wait_for_timeout(2_500)
    expect(page.locator("#log-lines")).not_to_contain_text("written while reading")

    page.get_by_role("button", name="Follow again").click()
    expect(page.locator("#log-lines")).to_contain_text("written while reading")
    expect(page.locator("[data-log-paused]")).to_be_hidden()


def test_a_log_shows_only_what_is_grave_enough_and_leads_to_its_first_error(watched, administrator):
    process = make.process()
    job = make.job(process)
    robot = ByHand(make.machine(process.tenant))
    robot.take()
    robot.write(("INFO", "before"), ("ERROR", "it broke"), *[("INFO", f"row {number}") for number in range(900)])
    watched.sign_in(administrator)
    page = watched.open(f"/admin/jobs/job/{job.pk}/change/")
    expect(page.locator("#log-lines")).to_contain_text("row 899")
    expect(page.locator("#log-lines")).not_to_contain_text("it broke")

    page.get_by_role("button", name="First error").click()
    expect(page.locator("#log-lines")).to_contain_text("it broke")
    expect(page.locator("#log-lines")).not_to_contain_text("before")

    page.get_by_label("From level").select_option("error")
    expect(page.locator("#log-lines p", has_text="it broke")).to_be_visible()
    expect(page.locator("#log-lines p", has_text="row 1").first).to_be_hidden()


def test_a_key_that_was_shown_is_gone_when_the_page_is_loaded_again(watched, administrator):
    make.tenant("Acme")
    page = watched.sign_in(administrator)
    hire(page)
    key = page.locator("#op-secret-text").inner_text()
    watched.keep("e2e-key-shown-once")

    page.reload()

    expect(page.get_by_role("heading", name="host-1")).to_be_visible()
    assert key not in page.content()
    assert Machine.objects.count() == 1


def test_a_form_is_sent_once_however_often_its_button_is_pressed(watched, administrator):
    process = make.process()
    watched.sign_in(administrator)
    page = watched.open(f"/admin/processes/process/{process.pk}/run/")

    page.get_by_role("button", name="Run now").dblclick()

    page.wait_for_url("**/jobs/job/**")
    assert Job.objects.count() == 1


def test_several_jobs_are_cancelled_at_once(watched, administrator):
    process = make.process()
    ticked = [make.job(process), make.job(process)]
    make.job(process)
    watched.sign_in(administrator)
    page = watched.open("/admin/jobs/job/")
    for job in ticked:
        page.locator(f"input[name=_selected_action][value='{job.pk}']").check()
    page.locator("select[name=action]").select_option("cancel")
    page.get_by_role("button", name="Run").click()
    watched.keep("e2e-cancel-several")
    page.get_by_role("button", name="Cancel: 2 jobs").click()

    expect(page.get_by_text("Cancel: 2 of 2 done.")).to_be_visible()
    assert Job.objects.filter(status=JobStatus.CANCELLED).count() == 2
