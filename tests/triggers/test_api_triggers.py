"""Triggers over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.jobs.models import Job
from apps.tenancy import services as tenancy
from apps.triggers.models import Firing, FiringStatus, Trigger
from tests import api, make
from tests.triggers.firing import NOON, hour, look, trigger_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def process():
    """What the triggers of a test run."""
    return make.process()


def body(of, **fields):
    wanted = {"name": "Mornings", "folder": str(of.folder_id), "kind": "time", "process": str(of.pk)}
    return wanted | {"configuration": {"cron": "0 9 * * mon-fri"}} | fields


class TestTriggers:
    def test_are_made_read_changed_and_deleted(self, process):
        root = api.root()

        made = root.post("triggers", body(process, time_zone="Europe/Berlin", overlap="skip"))
        path = f"triggers/{made.json()['id']}"
        changed = root.patch(path, {"configuration": {"cron": "@hourly"}, "misfire": "skip"})
        gone = root.delete(path)

        assert made.status_code == 201
        assert made.headers["Location"] == f"/api/v1/{path}"
        assert made.json()["process"] == {"id": str(process.pk), "name": process.name}
        assert made.json()["in_words"] == "At 09:00 on Monday through Friday"
        assert made.json()["next_fire_at"] is not None
        assert (changed.json()["in_words"], changed.json()["misfire"]) == ("At the start of every hour", "skip")
        assert (gone.status_code, root.get(path).status_code) == (204, 404)
        assert AuditEntry.objects.filter(target_id=made.json()["id"]).count() == 3

    @pytest.mark.parametrize(
        ("field", "value", "named"),
        [
            ("name", "", "name"),
            ("kind", "moon", "kind"),
            ("configuration", {"cron": "0 0 31 2 *"}, "configuration.cron"),
            ("configuration", {"cron": "* * * * * *"}, "configuration.cron"),
            ("configuration", {"every": 1}, "configuration.every"),
            ("configuration", [], "configuration"),
            ("time_zone", "Europe/Nowhere", "time_zone"),
            ("process", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "process"),
            ("calendar", "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22", "calendar"),
            ("overlap", "perhaps", "overlap"),
            ("misfire_limit", 0, "misfire_limit"),
            ("jitter", 4000, "jitter"),
            ("starts_at", "2300-01-01", "starts_at"),
            ("ends_at", "tomorrow", "ends_at"),
            ("parameters", {"at": "{{ now }}"}, "parameters.at"),
            ("priority", 5000, "priority"),
            ("next_fire_at", "2026-01-01T00:00:00Z", "next_fire_at"),
        ],
    )
    def test_what_is_wrong_is_named(self, process, field, value, named):
        refused = api.root().post("triggers", body(process, **{field: value}))

        assert api.fields_refused(refused) == {named}
        assert not Trigger.objects.exists()

    def test_a_start_after_the_end_is_refused(self, process):
        times = {"starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}

        assert api.fields_refused(api.root().post("triggers", body(process, **times))) == {"ends_at"}

    @pytest.mark.parametrize("field", ["kind", "folder", "enabled", "next_fire_at"])
    def test_some_things_are_not_changed_by_a_change(self, process, field):
        trigger = make.trigger(process)

        refused = api.root().patch(f"triggers/{trigger.pk}", {field: True})

        assert api.fields_refused(refused) == {field}

    def test_a_queue_trigger_needs_its_queue(self, process):
        queue, root = make.queue(process.folder), api.root()
        asked = body(process, kind="queue", configuration={"most": 2})

        alone, whole = root.post("triggers", asked), root.post("triggers", asked | {"queue": str(queue.pk)})

        assert api.fields_refused(alone) == {"queue"}
        assert whole.json()["queue"] == {"id": str(queue.pk), "name": queue.name}
        assert whole.json()["in_words"].startswith("Looks every 5 seconds and keeps 0 to 2 jobs going")

    def test_who_may_not_run_a_process_makes_no_trigger_of_it(self, process):
        may = ("triggers.add_trigger", "processes.view_process", "tenancy.view_folder")
        person = make.user(*may, inside=process.folder)

        refused = api.Caller(person).post("triggers", body(process))

        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
        assert "processes.run_process" in refused.json()["detail"]

    def test_a_name_is_taken_once_in_a_folder(self, process):
        trigger = make.trigger(process)

        refused = api.root().post("triggers", body(process, name=trigger.name.upper()))

        assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")

    def test_are_listed_by_what_they_are_and_are_about(self, process):
        root, timed = api.root(), make.trigger(process, name="Nightly")
        queue = make.queue(process.folder)
        other = make.trigger(process, kind="queue", queue=queue)
        Trigger.objects.filter(pk=other.pk).update(broken="It cannot work.")
        of = {"folder": process.folder_id}

        assert api.ids(root.get("triggers", {"name": "night", **of})) == [str(timed.pk)]
        assert api.ids(root.get("triggers", {"kind": "queue", **of})) == [str(other.pk)]
        assert api.ids(root.get("triggers", {"queue": queue.pk, **of})) == [str(other.pk)]
        assert api.ids(root.get("triggers", {"broken": "false", **of})) == [str(timed.pk)]
        assert api.ids(root.get("triggers", {"broken": "true", **of})) == [str(other.pk)]
        assert len(api.ids(root.get("triggers", {"process": process.pk, "enabled": "true"}))) == 2

    def test_a_list_takes_the_same_queries_however_long_it_is(self, process, django_assert_num_queries):
        root, path = api.root(), {"folder": process.folder_id}
        make.trigger(process)
        root.get("triggers", path)
        with connection.execute_wrapper(counting := Counting()):
            root.get("triggers", path)
        [make.trigger(process) for _ in range(4)]

        with django_assert_num_queries(counting.count):
            assert len(api.ids(root.get("triggers", path))) == 5

    def test_are_switched_off_and_on(self, process):
        trigger, root = make.trigger(process), api.root()

        off = root.post(f"triggers/{trigger.pk}/disable", {"reason": "month end"}).json()
        on = root.post(f"triggers/{trigger.pk}/enable").json()

        assert (off["enabled"], off["disabled_reason"]) == (False, "month end")
        assert (on["enabled"], on["disabled_reason"]) == (True, "")

    def test_one_time_can_be_skipped_or_not_after_all(self, process):
        trigger, root = make.trigger(process), api.root()

        asked = root.post(f"triggers/{trigger.pk}/skip-next").json()
        withdrawn = root.post(f"triggers/{trigger.pk}/skip-next", {"skip": False}).json()

        assert (asked["skip_next"], withdrawn["skip_next"]) == (True, False)

    def test_what_its_configuration_says_is_left_out_where_it_means_nothing_any_more(self, process):
        trigger = make.trigger(process)
        Trigger.objects.filter(pk=trigger.pk).update(configuration={"cron": 5})

        assert api.root().get(f"triggers/{trigger.pk}").json()["in_words"] == ""


class TestFiring:
    def test_by_hand_makes_a_job_with_other_parameters(self, process):
        trigger = make.trigger(process, parameters={"amount": 5, "customer": "{{ trigger }}"})

        fired = api.root().post(f"triggers/{trigger.pk}/fire", {"parameters": {"amount": 7}})

        job = Job.objects.get(trigger_id=trigger.pk)
        assert fired.status_code == 201
        assert (fired.json()["status"], fired.json()["jobs"]) == ("fired", [str(job.pk)])
        assert fired.json()["by_hand"].startswith("person ")
        assert (job.parameters["amount"], job.parameters["customer"]) == (7, trigger.name)

    def test_with_other_parameters_takes_the_right_to_run_the_process(self, process):
        trigger = make.trigger(process)
        person = make.user("triggers.view_trigger", "triggers.fire_trigger", inside=process.folder)
        caller, path = api.Caller(person), f"triggers/{trigger.pk}/fire"

        assert caller.post(path, {"parameters": {"amount": 7}}).status_code == 403
        assert caller.post(path).status_code == 201

    def test_under_a_brake_is_refused(self, process):
        trigger = make.trigger(process)
        tenancy.set_brake(process.folder, actor=make.SYSTEM, reason="audit", holds_triggers=True)

        refused = api.root().post(f"triggers/{trigger.pk}/fire")

        assert (refused.status_code, refused.json()["code"]) == (409, "triggers_held")

    def test_firings_are_listed_newest_first_page_by_page(self, process):
        trigger = trigger_due(NOON - timedelta(hours=2), of=process, misfire="fire_all")
        look(NOON)
        root, path = api.root(), f"triggers/{trigger.pk}/firings"

        first = root.get(path, {"page_size": 2}).json()
        second = root.client.get(first["next"]).json()

        due = [row["due_at"] for row in first["items"] + second["items"]]
        assert due == [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (NOON, hour(-1), hour(-2))]
        assert [len(row["jobs"]) for row in first["items"]] == [1, 1]
        assert second["next"] is None

    def test_firings_are_found_by_what_came_of_them(self, process):
        trigger = trigger_due(NOON - timedelta(hours=2), of=process, misfire="skip")
        look(NOON)
        root, path = api.root(), f"triggers/{trigger.pk}/firings"

        assert len(api.ids(root.get(path, {"status": "skipped"}))) == 2
        assert len(api.ids(root.get(path, {"code": "misfire"}))) == 2
        assert len(api.ids(root.get(path, {"status": "fired"}))) == 1
        assert api.fields_refused(root.get(path, {"colour": "red"})) == {"colour"}

    def test_jobs_are_found_by_their_trigger_and_firing(self, process):
        trigger, root = make.trigger(process), api.root()
        make.job(process)
        fired = root.post(f"triggers/{trigger.pk}/fire").json()

        assert api.ids(root.get("jobs", {"trigger": trigger.pk})) == fired["jobs"]
        assert api.ids(root.get("jobs", {"firing": fired["id"]})) == fired["jobs"]
        assert root.get(f"jobs/{fired['jobs'][0]}").json()["trigger_id"] == str(trigger.pk)

    def test_firings_of_others_are_not_there(self, process):
        trigger = make.trigger(process)
        stranger = api.Caller(make.user("triggers.view_trigger", inside=make.tenant()))

        assert stranger.get(f"triggers/{trigger.pk}/firings").status_code == 404

    def test_a_page_of_firings_takes_one_query_for_them_and_their_jobs(self, process):
        trigger, root = trigger_due(NOON - timedelta(hours=9), of=process, misfire="fire_all"), api.root()
        look(NOON)
        with connection.execute_wrapper(counting := Counting()):
            shown = api.ids(root.get(f"triggers/{trigger.pk}/firings"))

        assert len(shown) == Firing.objects.filter(trigger=trigger).count() == 10
        assert counting.of("triggers_firing") == 1


class TestPreview:
    def ask(self, **fields):
        asked = {"configuration": {"cron": "30 2 * * *"}, **fields}
        return api.root().post("triggers/preview", asked, **{"X-Tenant": make.tenant().slug})

    def test_tells_words_times_on_two_clocks_and_what_clocks_do(self):
        told = self.ask(
            time_zone="Europe/Berlin", viewer_zone="Asia/Tokyo", starts_at="2050-03-26T12:00:00Z", count=2
        ).json()

        assert told["words"] == "At 02:30 every day"
        assert told["times"][0] == {
            "at": "2050-03-27T01:00:00Z",
            "local": "2050-03-27T03:00:00+02:00",
            "viewer_local": "2050-03-27T10:00:00+09:00",
            "note": "Clocks go forward: no time from 02:00 to 03:00 exists that day, and what is due then comes now.",
            "silent": "",
        }
        assert told["warnings"] == ["Its next time is more than a year away: 2050-03-27 03:00."]

    def test_shows_twenty_times_on_the_clock_of_who_asks(self):
        told = self.ask().json()

        assert len(told["times"]) == 20
        assert told["times"][0]["viewer_local"].endswith("+00:00")

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"configuration": {"cron": "61 * * * *"}}, "configuration.cron"),
            ({"configuration": {}}, "configuration"),
            ({"time_zone": "Mars/Base"}, "time_zone"),
            ({"viewer_zone": "Mars/Base"}, "viewer_zone"),
            ({"count": 101}, "count"),
            ({"kind": "queue", "configuration": {"mist": 1}}, "configuration.mist"),
            ({"starts_at": "2027-01-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, "ends_at"),
        ],
    )
    def test_names_what_is_wrong(self, fields, named):
        assert api.fields_refused(self.ask(**fields)) == {named}

    def test_takes_somebody_who_may_see_triggers(self):
        tenant = make.tenant()
        caller = api.Caller(make.user("jobs.view_job", inside=tenant))

        refused = caller.post("triggers/preview", {"configuration": {"cron": "@daily"}}, **{"X-Tenant": tenant.slug})

        assert refused.status_code in {400, 403}


class TestDryRun:
    def test_of_a_time_trigger_tells_when_it_would_have_been_due(self, process):
        calendar = make.calendar(
            process.folder, rules=[{"kind": "weekly", "label": "always", "weekdays": list(range(7))}]
        )
        root = api.root()
        free, held = make.trigger(process, configuration={"every": 3600}), make.trigger(process, calendar=calendar)

        told = root.get(f"triggers/{free.pk}/dry-run").json()
        silent = root.get(f"triggers/{held.pk}/dry-run").json()

        assert (told["jobs"], told["count"]) in {(24, 24), (25, 25)}
        assert told["steps"][0]["at"] > told["steps"][-1]["at"]
        assert (silent["jobs"], len(silent["steps"])) == (0, 1000)
        assert silent["steps"][0]["because"].endswith("is silent then: always.")

    def test_of_a_queue_trigger_plays_its_wants_over_the_items(self, process):
        queue = make.queue(process.folder)
        [make.item(queue, available_at=timezone.now() - timedelta(hours=3)) for _ in range(4)]
        trigger = make.trigger(process, kind="queue", queue=queue, configuration={"most": 2})

        told = api.root().get(f"triggers/{trigger.pk}/dry-run").json()

        assert told["steps"][-1]["jobs"] == 2
        assert told["steps"][-1]["facts"]["waiting"] == 4

    def test_of_a_broken_one_says_why_there_is_none(self, process):
        trigger = make.trigger(process)
        Trigger.objects.filter(pk=trigger.pk).update(configuration={"cron": "nonsense"})

        assert api.fields_refused(api.root().get(f"triggers/{trigger.pk}/dry-run")) == {"configuration"}


class Counting:
    """Counts the statements of a block, in all and by what they are about."""

    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, parameters, many, context):
        self.statements.append(sql)
        return execute(sql, parameters, many, context)

    @property
    def count(self):
        return len(self.statements)

    def of(self, table):
        return sum(f'FROM "{table}"' in sql for sql in self.statements)


def test_a_skipped_time_is_a_row_that_says_why(process):
    trigger = trigger_due(of=process)
    root = api.root()
    root.post(f"triggers/{trigger.pk}/skip-next")
    look(NOON)

    [firing] = root.get(f"triggers/{trigger.pk}/firings").json()["items"]

    assert (firing["status"], firing["code"]) == (FiringStatus.SKIPPED, "skip_next")
    assert firing["reason"] == "Somebody had this one time skipped."
