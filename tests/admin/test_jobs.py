"""The page of a job: why it waits, what came out, its tries, and its log as it grows."""

import json
import re
import uuid
import zlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from apps.accounts import services as accounts
from apps.jobs import services as jobs
from apps.jobs.admin.log_pages import LINES
from apps.jobs.models import BulkChange, Execution, Job, JobStatus
from apps.jobs.rules.reports import End
from apps.jobs.tasks import work_off_bulk_changes
from apps.robots import services as robots
from tests import make
from tests.admin import rows
from tests.admin.visitors import holding, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def write(execution: Execution, *lines: tuple[str, str], at: str = "2026-11-21T10:00:00+00:00") -> None:
    execution.refresh_from_db()
    data = b"".join(json.dumps({"t": at, "l": level, "m": text}).encode() + b"\n" for level, text in lines)
    actor = make.acting(execution.robot)
    jobs.append_log(execution, actor=actor, offset=execution.log_length, data=data, crc32=zlib.crc32(data))


def finish(execution: Execution, outcome: End, **told: object) -> None:
    execution.refresh_from_db()
    facts = {"log_length": execution.log_length, "log_crc32": execution.log_crc32, "digest": uuid.uuid4().hex * 2}
    report = jobs.Report(job_id=execution.job_id, number=execution.number, outcome=outcome, **facts, **told)
    robot = execution.robot
    jobs.finish_execution(robot, actor=make.acting(robot), lease_id=execution.lease_id, report=report)


def log_of(visitor, row, **query):
    return visitor.get(page_of(row, "log"), **query)


def follow_on(response):
    """Where the viewer would ask next."""
    return re.search(r"\?after=([^\"]+)", text_of(response)).group(1)


def test_colours_meant_for_a_terminal_are_left_out_of_the_page():
    execution = make.running_job()
    write(execution, ("INFO", "\x1b[1;31mred\x1b[0m and plain"))

    assert "</b>red and plain</p>" in text_of(log_of(superuser(), execution.job))


def test_a_waiting_job_says_why_and_what_to_do():
    job = make.job()

    shown = text_of(superuser().open(job))

    assert "There is no robot in this tenant." in shown
    assert "It is first in line in its folder." in shown


def test_why_tells_times_as_the_reader_reads_them():
    process = make.process()
    make.session(make.robot(of=process.tenant))
    due = timezone.now() + timedelta(days=2)
    job = make.job(process, available_at=due)
    visitor = superuser()
    accounts.update_profile(visitor.person, actor=visitor.actor, time_zone="Asia/Tokyo")

    shown = text_of(visitor.open(job))

    assert (
        f"the job is not due before {due.astimezone(ZoneInfo('Asia/Tokyo')):%A %d %B %Y, %H:%M:%S} Asia/Tokyo" in shown
    )


def test_each_obstacle_stands_beside_what_to_do_about_it():
    process = make.process()
    robot = make.robot(of=process.tenant, name="picker")
    robots.start_maintenance(robot, actor=make.SYSTEM, reason="updates")

    shown = text_of(superuser().open(make.job(process)))

    assert '<td rowspan="2">' in shown
    assert "<td>the robot is in maintenance: updates</td><td>end its maintenance</td>" in shown


def test_a_held_job_says_what_it_waits_for():
    execution = make.running_job(make.process(on_lost="hold"))
    jobs.hand_over_leases(execution.robot, actor=make.SYSTEM, ended=[execution.session_id], reason="robot_restarted")

    assert "It waits for a person" in text_of(superuser().open(execution.job))


def test_tries_are_told_with_the_day_they_were_made():
    execution = make.running_job()
    Execution.objects.filter(pk=execution.pk).update(granted_at=datetime(2024, 3, 1, 10, tzinfo=UTC))

    assert "01 Mar 2024" in text_of(superuser().open(execution.job))


def test_a_log_without_lines_says_whether_there_may_be_some():
    execution = make.running_job()
    visitor = superuser()

    begun = text_of(log_of(visitor, execution.job))
    finish(execution, End.COMPLETED)
    ended = text_of(log_of(visitor, execution.job))

    assert "It has written nothing yet." in begun
    assert "It wrote nothing." in ended


def test_a_failed_job_shows_its_error_with_the_traceback_as_text():
    execution = make.running_job()
    error = {"type": "ValueError", "message": "<b>no sheet</b>", "traceback": "Traceback\n  line <1>"}
    finish(execution, End.FAILED, error=error, exit_code=1)

    shown = text_of(superuser().open(execution.job))

    assert "ValueError" in shown
    assert "&lt;b&gt;no sheet&lt;/b&gt;" in shown
    assert "line &lt;1&gt;" in shown
    assert "exit code 1" in shown


def test_a_completed_job_shows_its_result_and_what_it_ran():
    execution = make.running_job()
    finish(execution, End.COMPLETED, result={"sum": 12}, usage={"cpu_seconds": 1.5, "max_memory": 2048})
    job = execution.job

    shown = text_of(superuser().open(job))

    assert "&quot;sum&quot;: 12" in shown
    assert job.package_sha256 in shown
    assert "at most 2.0 KiB of memory, 1.5 s of processor time" in shown


def test_a_retry_leads_to_the_job_it_repeats():
    execution = make.running_job()
    finish(execution, End.FAILED, error={"message": "no"})
    visitor = superuser()

    response = visitor.do(execution.job, "retry")
    again = Job.objects.get(retry_of=execution.job)

    assert response.url == page_of(again)
    assert page_of(execution.job) in text_of(visitor.open(again))


def test_the_part_that_refreshes_is_sent_only_when_it_differs():
    job = make.job()
    visitor = superuser()

    first = visitor.get(page_of(job, "live"), v="")
    version = re.search(r"live/\?v=(\w+)", text_of(first)).group(1)
    same = visitor.get(page_of(job, "live"), v=version)
    jobs.prioritise_job(job, actor=make.SYSTEM, priority=9)
    changed = visitor.get(page_of(job, "live"), v=version)

    assert (first.status_code, same.status_code, changed.status_code) == (200, 204, 200)
    assert len(changed.content) < 20_000


def test_what_has_ended_refreshes_no_more():
    job = jobs.cancel_job(make.job(), actor=make.SYSTEM)

    shown = text_of(superuser().open(job))

    assert "op-live" not in shown


def test_the_refreshing_part_of_another_tenant_is_not_there():
    job = rows.job(make.tenant())

    response = holding("Operator", make.tenant()).get(page_of(job, "live"))

    assert response.status_code == 404


def test_a_log_opens_at_its_end_and_goes_on_from_there():
    execution = make.running_job()
    write(execution, *[("INFO", f"row {number}") for number in range(LINES + 50)])
    visitor = superuser()

    end = log_of(visitor, execution)
    nothing_new = log_of(visitor, execution, after=follow_on(end))
    write(execution, ("INFO", "one more"))
    more = log_of(visitor, execution, after=follow_on(end))

    assert f"row {LINES + 49}" in text_of(end)
    assert "row 1<" not in text_of(end)
    assert nothing_new.status_code == 204
    assert "one more" in text_of(more)
    assert f"row {LINES + 49}" not in text_of(more)


def test_earlier_lines_are_fetched_on_demand():
    execution = make.running_job()
    write(execution, *[("INFO", f"row {number}") for number in range(LINES + 50)])
    visitor = superuser()

    end = log_of(visitor, execution)
    before = re.search(r"\?before=([^\"]+)", text_of(end)).group(1)
    earlier = log_of(visitor, execution, before=before)

    assert "row 0<" in text_of(earlier)
    assert "?after=" not in text_of(earlier)


def test_a_log_is_read_from_its_start_or_its_first_error():
    execution = make.running_job()
    write(execution, ("INFO", "begins"), ("ERROR", "it broke"), ("INFO", "goes on"))
    visitor = superuser()

    start, error = log_of(visitor, execution, **{"from": "start"}), log_of(visitor, execution, **{"from": "error"})

    assert "begins" in text_of(start)
    assert "begins" not in text_of(error)
    assert "it broke" in text_of(error)


def test_times_of_a_log_are_those_of_the_reader():
    execution = make.running_job()
    write(execution, ("INFO", "begins"), at="2026-11-21T10:00:00.250000+00:00")
    visitor = superuser()
    accounts.update_profile(visitor.person, actor=visitor.actor, time_zone="Asia/Tokyo")

    assert "19:00:00.250" in text_of(log_of(visitor, execution))


def test_what_a_log_says_stays_text():
    execution = make.running_job()
    write(execution, ("ERROR", "<script>alert(1)</script>"))

    shown = text_of(log_of(superuser(), execution))

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_the_log_of_a_job_is_that_of_its_newest_try_and_waits_for_the_first():
    job = make.job()
    visitor = superuser()

    waiting = log_of(visitor, job)
    worker = make.session(make.robot(of=job.tenant))
    first = jobs.start_execution(make.claimed(worker), actor=make.acting(worker.robot))
    write(first, ("INFO", "first try"))
    seen = log_of(visitor, job)
    jobs.release_execution(first, actor=make.acting(worker.robot))
    Job.objects.filter(pk=job.pk).update(last_robot=None)
    second = jobs.start_execution(make.claimed(worker), actor=make.acting(worker.robot))
    write(second, ("INFO", "second try"))
    on = log_of(visitor, job, after=follow_on(seen))

    assert "there is no log yet" in text_of(waiting)
    assert "first try" in text_of(seen)
    assert "second try" in text_of(on)


def test_a_log_that_ended_says_whether_it_is_whole():
    whole, short = make.running_job(), make.running_job()
    visitor = superuser()
    write(whole, ("INFO", "all"))
    finish(whole, End.COMPLETED)
    Execution.objects.filter(pk=short.pk).update(log_final_length=2048)
    jobs.kill_job(short.job, actor=make.SYSTEM)

    assert "complete" in text_of(log_of(visitor, whole))
    assert "2.0 KiB missing" in text_of(log_of(visitor, short))


def test_a_log_can_be_taken_along_as_text():
    execution = make.running_job()
    write(execution, ("INFO", "begins"), ("WARN", "slow"))

    response = superuser().get(page_of(execution, "log_download"))

    text = b"".join(response.streaming_content).decode()
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment")
    assert [line.split()[1:] for line in text.splitlines()] == [["INFO", "begins"], ["WARN", "slow"]]


@pytest.mark.parametrize("name", ["log", "log_download"])
def test_the_log_of_another_tenant_is_not_there(name):
    execution = rows.execution(make.tenant())

    response = holding("Operator", make.tenant()).get(page_of(execution, name))

    assert response.status_code == 404


@pytest.mark.parametrize(
    "query", [{"after": "nonsense"}, {"before": "x.1.2.3"}, {"after": "x.999999999999999999999.0"}]
)
def test_a_place_in_a_log_that_nobody_gave_is_refused(query):
    execution = make.running_job()

    assert log_of(superuser(), execution, **query).status_code == 400


def test_a_list_shows_the_last_days_unless_asked_for_more():
    response = superuser().get(list_of(Job))

    assert "Last 7 days" in text_of(response)
    chosen = [chip.text for group in response.context["quick_filters"] for chip in group if chip.is_on]
    assert chosen == ["All", "Last 7 days"]


def test_lists_of_jobs_are_never_counted(django_assert_num_queries):
    make.job()
    visitor = superuser()

    # One asks for brakes, one for settings that are kept for a while, five for the numbers beside the navigation.
    with django_assert_num_queries(13) as captured:
        visitor.get(list_of(Job))

    counted = [query["sql"] for query in captured.captured_queries if "COUNT(*)" in query["sql"]]
    assert [sql for sql in counted if "LIMIT 100" not in sql] == []


def test_every_job_that_matches_is_changed_after_a_preview():
    process = make.process()
    matching, other = make.job(process), make.job(make.process(process.folder))
    make.job()
    visitor = superuser()
    address = f"{new(BulkChange)}?status__exact=pending&process__id__exact={process.pk}&since=all"

    preview = visitor.get(address)
    asked = visitor.post(address, {"action": "cancel", "reason": "wrong month"})
    work_off_bulk_changes()

    matching.refresh_from_db()
    other.refresh_from_db()
    change = BulkChange.objects.get()
    assert "Cancel: 1 job" in text_of(preview)
    assert "Retry: 0 jobs" in text_of(preview)
    assert asked.url == page_of(change)
    assert (matching.status, other.status) == (JobStatus.CANCELLED, JobStatus.PENDING)
    assert "1 of 1 done" in text_of(visitor.open(change))


def test_the_list_leads_to_the_change_with_its_own_filters():
    response = superuser().get(list_of(Job), status__exact="failed", since="24h")

    assert response.context["bulk_address"] == f"{new(BulkChange)}?status__exact=failed&since=24h"


def test_a_change_of_many_leads_back_to_the_list_as_it_was():
    make.tenant()

    shown = text_of(superuser().get(new(BulkChange), status__exact="failed", since="24h"))

    assert f'href="{list_of(Job)}?status__exact=failed&amp;since=24h"' in shown


def test_a_change_of_many_asks_for_the_tenant_where_it_could_be_several():
    mine, theirs = make.tenant(), make.tenant()

    shown = text_of(superuser().get(new(BulkChange), status__exact="pending"))

    assert f"tenant__id__exact={mine.pk}" in shown
    assert f"tenant__id__exact={theirs.pk}" in shown


def test_a_change_of_many_refuses_filters_it_cannot_follow():
    make.tenant()

    shown = text_of(superuser().get(new(BulkChange), q="invoices", kind__exact="rpa"))

    assert "cannot follow (the search, the kind)" in shown


def test_a_new_priority_for_many_must_be_named():
    process = make.process()
    job = make.job(process)
    address = f"{new(BulkChange)}?process__id__exact={process.pk}"
    visitor = superuser()

    without = visitor.post(address, {"action": "prioritise"})
    visitor.post(address, {"action": "prioritise", "priority": "50"})
    work_off_bulk_changes()

    job.refresh_from_db()
    assert "priority" in without.context["form"].errors
    assert job.priority == 50


def test_who_may_only_look_is_not_led_to_change_many():
    place = make.tenant()
    visitor = with_permissions("jobs.view_job", inside=place)

    assert visitor.get(list_of(Job)).context["bulk_address"] == ""
    assert visitor.get(new(BulkChange)).status_code == 403


def test_a_change_of_many_spares_what_one_may_not_change():
    place = make.tenant()
    process = make.process(make.folder(place))
    job = make.job(process)
    elsewhere = rows.folder(place)
    visitor = with_permissions("jobs.view_job", "jobs.cancel_job", inside=elsewhere)

    shown = text_of(visitor.get(new(BulkChange), tenant__id__exact=place.pk))

    assert "Cancel: 0 jobs" in shown
    assert job.status == JobStatus.PENDING


def test_executions_of_a_robot_are_listed_from_its_page():
    execution = make.running_job()
    address = f"{reverse('admin:jobs_execution_changelist')}?robot__id__exact={execution.robot_id}&since=all"
    finish(execution, End.COMPLETED)
    visitor = superuser()

    assert escape(address) in text_of(visitor.open(execution.robot))
    assert page_of(execution) in text_of(visitor.get(address))


def rows_of(visitor, *shown):
    return visitor.get(f"{list_of(type(shown[0]))}rows/", rows=",".join(str(row.pk) for row in shown))


def test_a_list_brings_what_changes_up_to_date():
    process = make.process()
    first, second = make.job(process), make.job(process)
    visitor = superuser()
    listed = visitor.get(list_of(Job))
    jobs.cancel_job(first, actor=make.SYSTEM)

    shown = text_of(rows_of(visitor, first, second))

    assert f'id="job_status-{first.pk}"' in text_of(listed)
    assert f'id="job_status-{first.pk}" hx-swap-oob="true"' in shown
    assert "Cancelled" in shown
    assert f'rows/?rows={second.pk}"' in shown
    assert len(shown) < 5_000


def test_the_list_of_executions_is_brought_up_to_date_too():
    execution = make.running_job()
    visitor = superuser()
    listed = text_of(visitor.get(list_of(Execution)))
    finish(execution, End.FAILED, error={"message": "no"}, exit_code=3)

    shown = text_of(rows_of(visitor, execution))

    assert f"rows/?rows={execution.pk}" in listed
    assert "Failed" in shown
    assert f'id="exit_code-{execution.pk}" hx-swap-oob="true">3<' in shown
    assert "/rows/" not in shown


def test_a_list_of_what_has_ended_asks_no_more():
    job = jobs.cancel_job(make.job(), actor=make.SYSTEM)
    visitor = superuser()

    assert "/rows/" not in text_of(visitor.get(list_of(Job)))
    assert "/rows/" not in text_of(rows_of(visitor, job))


def test_rows_of_another_tenant_are_not_brought_up_to_date():
    job = rows.job(make.tenant())

    shown = text_of(rows_of(holding("Operator", make.tenant()), job))

    assert str(job.pk) not in shown


def test_rows_that_are_none_are_refused():
    assert superuser().get(f"{list_of(Job)}rows/", rows="nonsense").status_code == 404
