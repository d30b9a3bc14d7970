"""Pages of triggers and of what became of their due times."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts import services as accounts
from apps.jobs.models import Job
from apps.queues.models import QueueItem
from apps.rbac import services as rbac
from apps.triggers import services
from apps.triggers.models import Firing, Trigger
from tests import make
from tests.admin.visitors import Visitor, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db

#: What the form asks of every trigger that is due by the clock, beside when.
ASKED = {
    "name": "Nightly", "jitter": 0, "overlap": "skip", "misfire": "skip", "misfire_limit": 1, "misfire_grace": 60,
    "most_failures": 5, "time_zone": "Europe/Berlin", "enabled": "on",
}  # fmt: skip


def form_for(process, kind="time"):
    return f"{new(Trigger)}?process={process.pk}&kind={kind}"


def typed_text_process():
    """A process that takes a moment, which only a firing knows."""
    schema = {"type": "object", "properties": {"since": {"type": "string", "format": "date-time"}}}
    process = make.process()
    version = process.version_to_run()
    version.entrypoints.update(input_schema=schema)
    return process


def test_the_process_is_asked_for_first_then_the_kind():
    process = make.process(name="Invoices")
    make.process(process.folder, name="Reminders")
    visitor = superuser()

    every = text_of(visitor.get(new(Trigger)))
    found = text_of(visitor.get(new(Trigger), q="invo"))
    kinds = text_of(visitor.get(new(Trigger), process=process.pk))

    assert ("Invoices" in every, "Reminders" in every) == (True, True)
    assert ("Invoices" in found, "Reminders" in found) == (True, False)
    assert f"?process={process.pk}&amp;kind=queue" in kinds


def test_only_processes_that_one_may_run_are_offered():
    process = make.process()
    visitor = with_permissions("triggers.add_trigger", "processes.view_process", inside=process.tenant)

    assert "There is no process that you may run" in text_of(visitor.get(new(Trigger)))


def test_a_trigger_is_made_by_an_expression_with_the_parameters_of_its_process():
    process, visitor = make.process(), superuser()
    asked = {**ASKED, "folder": process.folder.pk, "due_by": "cron", "configuration.cron": "0 9 * * mon-fri"}

    visitor.post(form_for(process), {**asked, "parameters.customer": "{{ trigger }}", "parameters.amount": "3"})

    trigger = Trigger.objects.get()
    assert trigger.configuration == {"cron": "0 9 * * mon-fri"}
    assert trigger.parameters == {"customer": "{{ trigger }}", "amount": 3}
    assert (trigger.time_zone, trigger.overlap, trigger.folder) == ("Europe/Berlin", "skip", process.folder)


def test_a_span_of_time_is_typed_with_its_unit():
    process, visitor = make.process(), superuser()
    span = {"due_by": "every", "configuration.every": "15", "configuration.every_unit": "60"}

    visitor.post(form_for(process), {**ASKED, "folder": process.folder.pk, **span})

    trigger = Trigger.objects.get()
    form = visitor.get(page_of(trigger, "edit")).context["form"]
    assert trigger.configuration == {"every": 900}
    assert form["due_by"].value() == "every"
    assert 'value="15"' in str(form["configuration.every"])


def test_a_queue_trigger_that_hands_items_out_says_only_what_belongs_to_that():
    process = make.process()
    queue, visitor = make.queue(process.folder), superuser()
    asked = {"name": "Batches", "folder": process.folder.pk, "jitter": 0, "most_failures": 5, "queue": queue.pk}
    wanted = {"configuration.mode": "hand_out", "configuration.batch_size": "7", "configuration.least": "1"}

    visitor.post(form_for(process, "queue"), {**asked, **wanted, "configuration.most": "3"})

    assert Trigger.objects.get().configuration == {"mode": "hand_out", "batch_size": 7, "most": 3}


def test_a_queue_trigger_asks_for_its_queue_and_not_for_times():
    process = make.process()
    queue, visitor = make.queue(process.folder), superuser()
    asked = {"name": "Consumers", "folder": process.folder.pk, "jitter": 0, "most_failures": 5, "queue": queue.pk}

    form = visitor.get(form_for(process, "queue")).context["form"]
    visitor.post(form_for(process, "queue"), {**asked, "configuration.most": "7", "configuration.least": "1"})

    assert "overlap" not in form.fields
    assert Trigger.objects.get().configuration == {"most": 7, "least": 1}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"due_by": "cron", "configuration.cron": "0 25 * * *"}, "is no cron expression"),
        ({"due_by": "cron"}, "Write a cron expression"),
        ({"due_by": "every"}, "Say how much time lies between two times."),
        ({"due_by": "cron", "configuration.cron": "@daily", "time_zone": "Mars/Olympus"}, "is no time zone"),
    ],
)
def test_what_means_nothing_is_said_at_its_field_and_what_was_typed_stays(typed, said):
    process = make.process()

    response = superuser().post(form_for(process), {**ASKED, "folder": process.folder.pk, **typed})

    assert said in text_of(response)
    assert 'value="Nightly"' in text_of(response)
    assert not Trigger.objects.exists()


def test_a_moment_among_the_parameters_may_be_the_due_time():
    process, visitor = typed_text_process(), superuser()
    asked = {**ASKED, "folder": process.folder.pk, "due_by": "cron", "configuration.cron": "@daily"}

    visitor.post(form_for(process), {**asked, "parameters.since": "{{ due_at }}"})

    assert Trigger.objects.get().parameters == {"since": "{{ due_at }}"}


def test_a_start_is_kept_to_the_second_when_something_else_is_changed():
    start = timezone.now().replace(microsecond=0, second=37) + timedelta(days=1)
    trigger, visitor = make.trigger(starts_at=start), superuser()
    form = visitor.get(page_of(trigger, "edit")).context["form"]

    assert f':{37}"' in str(form["starts_at"])


def test_firing_by_hand_sends_only_what_was_changed_and_leads_to_the_job():
    trigger = make.trigger(parameters={"customer": "{{ trigger }}"})
    visitor = superuser()

    response = visitor.do(trigger, "fire", **{"parameters.customer": "{{ trigger }}", "parameters.amount": "5"})

    job = Job.objects.get()
    assert response.url == page_of(job)
    assert job.parameters == {"customer": trigger.name, "amount": 5}


def test_who_may_not_run_the_process_fires_with_the_parameters_of_the_trigger():
    trigger = make.trigger(parameters={"customer": "ACME"})
    visitor = with_permissions("triggers.view_trigger", "triggers.fire_trigger", inside=trigger.tenant)

    form = visitor.get(page_of(trigger, "fire")).context["form"]
    visitor.do(trigger, "fire", **{"parameters.customer": "other"})

    assert list(form.fields) == []
    assert Job.objects.get().parameters["customer"] == "ACME"


def test_the_list_says_why_a_trigger_makes_nothing():
    off = services.disable_trigger(make.trigger(), actor=make.SYSTEM, reason="the bank is down")
    broken = make.trigger(of=off.process)
    Trigger.objects.filter(pk=broken.pk).update(broken="no such time zone")
    visitor = superuser()

    everything = text_of(visitor.get(list_of(Trigger)))
    narrowed = text_of(visitor.get(list_of(Trigger), state="broken"))

    assert "the bank is down" in everything
    assert "no such time zone" in everything
    assert (page_of(off) in narrowed, page_of(broken) in narrowed) == (False, True)


def test_the_list_says_what_became_of_the_last_time_and_how_its_job_is():
    trigger = make.trigger()
    services.fire_trigger(trigger, actor=make.SYSTEM)
    stranger = with_permissions("triggers.view_trigger", inside=trigger.tenant)

    shown = text_of(superuser().get(list_of(Trigger)))
    without_jobs = text_of(stranger.get(list_of(Trigger)))

    assert ("job pending" in shown, "job pending" in without_jobs) == (True, False)


def test_the_page_shows_next_times_and_what_became_of_the_last_with_their_jobs():
    trigger = make.trigger(configuration={"cron": "0 9 * * *"}, time_zone="Asia/Tokyo")
    firing = services.fire_trigger(trigger, actor=make.SYSTEM)
    visitor = superuser()

    shown = text_of(visitor.open(trigger))

    assert ", 09:00<" in shown
    assert page_of(firing) in shown
    assert page_of(Job.objects.get()) in shown


def test_who_may_not_see_jobs_sees_how_many_there_were():
    trigger = make.trigger()
    services.fire_trigger(trigger, actor=make.SYSTEM)
    visitor = with_permissions("triggers.view_trigger", inside=trigger.tenant)

    assert page_of(Job.objects.get()) not in text_of(visitor.open(trigger))


def test_firings_are_narrowed_by_trigger_reason_and_hand():
    one, other = make.trigger(), make.trigger()
    by_hand = services.fire_trigger(one, actor=make.SYSTEM)
    services.fire_trigger(other, actor=make.SYSTEM)
    visitor = superuser()

    of_one = visitor.get(list_of(Firing), trigger__id__exact=one.pk).context["cl"].result_list
    by_itself = visitor.get(list_of(Firing), by="itself").context["cl"].result_list
    misfired = visitor.get(list_of(Firing), code="misfire").context["cl"].result_list

    assert list(of_one) == [by_hand]
    assert (list(by_itself), list(misfired)) == ([], [])


def test_a_firing_of_a_queue_trigger_shows_the_formula_and_its_numbers():
    process = make.process()
    queue = make.queue(process.folder)
    make.items(queue, 1, 2, 3)
    make.trigger(process, kind="queue", queue=queue, configuration={"most": 2})
    services.fire_due_triggers(actor=make.SYSTEM, at=timezone.now() + timedelta(seconds=6), limit=10)

    shown = text_of(superuser().open(Firing.objects.get()))

    assert "3 items at 1 per job: 3 wanted, 2 between 0 and 2, 0 there." in shown


def test_the_sidebar_counts_triggers_that_want_attention():
    broken = make.trigger()
    Trigger.objects.filter(pk=broken.pk).update(broken="no such time zone")
    visitor = superuser()

    groups = visitor.get("/admin/").context["sidebar_navigation"]

    items = {item["title"]: item.get("badge") for group in groups for item in group["items"]}
    assert items["Triggers"] == "1"


def test_a_shared_trigger_opens_for_whom_it_is_shared_with():
    trigger, visitor = make.trigger(), Visitor(make.user())
    rbac.share_object(trigger, actor=make.SYSTEM, user=visitor.person, permission="triggers.view_trigger")

    assert visitor.open(trigger).status_code == 200


def preview_of(visitor, process, kind="time", **typed):
    address = f"{list_of(Trigger)}preview/?process={process.pk}&kind={kind}"
    return visitor.post(address, {"due_by": "cron", "time_zone": "Europe/Berlin", **typed})


def test_a_preview_says_an_expression_in_words_with_its_next_times_on_both_clocks():
    process, visitor = make.process(), superuser()
    accounts.update_profile(visitor.person, actor=visitor.actor, time_zone="Asia/Tokyo")

    shown = text_of(preview_of(visitor, process, **{"configuration.cron": "0 9 * * *"}))

    assert "At 09:00 every day." in shown
    assert "The next 20 times" in shown
    assert "Your time<br>Asia/Tokyo" in shown
    assert shown.count(", 09:00<") == 20
    assert not Trigger.objects.exists()


def test_a_preview_says_when_clocks_change_and_what_the_calendar_silences():
    process, visitor = make.process(), superuser()
    weekend = {"kind": "weekly", "weekdays": [5, 6], "label": "Weekend"}
    calendar = services.create_calendar(process.folder, actor=make.SYSTEM, name="Holidays", rules=[weekend])
    typed = {"configuration.cron": "30 2 29 3 *", "starts_at": "2027-01-01T00:00:00", "calendar": calendar.pk}

    shown = text_of(preview_of(visitor, process, **typed))

    assert "Clocks " in shown
    assert "is silent at" in shown
    assert "Weekend" in shown


def test_a_preview_of_a_queue_trigger_is_the_formula_with_its_present_numbers():
    process = make.process()
    queue, visitor = make.queue(process.folder), superuser()
    make.items(queue, 1, 2, 3)

    shown = text_of(preview_of(visitor, process, "queue", queue=queue.pk, **{"configuration.most": "2"}))
    without = text_of(preview_of(visitor, process, "queue"))

    assert "3 items at 1 per job: 3 wanted, 2 between 0 and 2, 0 there." in shown
    assert "Choose a queue" in without


def test_a_preview_of_a_trigger_that_is_there_counts_the_jobs_it_has():
    process = make.process()
    queue, visitor = make.queue(process.folder), superuser()
    make.items(queue, 1, 2, 3)
    trigger = make.trigger(process, kind="queue", queue=queue, configuration={"most": 2})
    services.fire_due_triggers(actor=make.SYSTEM, at=timezone.now() + timedelta(seconds=6), limit=10)

    address = f"{list_of(Trigger)}preview/?trigger={trigger.pk}"
    shown = text_of(visitor.post(address, {"queue": queue.pk, "configuration.most": "5"}))

    assert "3 wanted, 3 between 0 and 5, 2 there." in shown


def test_without_a_script_the_preview_is_shown_with_the_form_and_nothing_is_saved():
    process, visitor = make.process(), superuser()
    trigger = make.trigger(process)
    typed = {"name": "Nightly", "due_by": "cron", "configuration.cron": "@daily", "time_zone": "UTC", "preview": "1"}

    new_one = text_of(visitor.post(form_for(process), typed))
    changed = text_of(visitor.do(trigger, "edit", **typed))

    trigger.refresh_from_db()
    assert ("The next 20 times" in new_one, "The next 20 times" in changed) == (True, True)
    assert 'value="Nightly"' in new_one
    assert (Trigger.objects.count(), trigger.configuration) == (1, {"every": 60})


def test_a_preview_is_for_those_who_may_run_the_process_or_see_the_trigger():
    trigger = make.trigger()
    stranger = with_permissions("triggers.view_trigger", "triggers.add_trigger", inside=make.tenant())

    new_one = preview_of(stranger, trigger.process, **{"configuration.cron": "@daily"})
    there = stranger.post(f"{list_of(Trigger)}preview/?trigger={trigger.pk}", {})

    assert (new_one.status_code, there.status_code) == (404, 404)


def test_the_simulator_plays_the_last_day_of_a_queue():
    process = make.process()
    queue, visitor = make.queue(process.folder), superuser()
    make.items(queue, 1, 2, 3)
    QueueItem.objects.update(available_at=timezone.now() - timedelta(hours=2))
    trigger = make.trigger(process, kind="queue", queue=queue, configuration={"most": 2, "polling_interval": 600})

    shown = text_of(visitor.get(page_of(trigger, "simulate")))
    address = f"{list_of(Trigger)}simulate/?process={process.pk}&kind=queue"
    with_a_form = text_of(visitor.post(address, {"queue": queue.pk, "configuration.polling_interval": "600"}))

    assert "Jobs it would have started" in shown
    assert "3 items at 1 per job" in shown
    assert "3 items at 1 per job" in with_a_form


def test_the_simulator_says_which_times_of_the_last_day_its_calendar_would_have_silenced():
    process = make.process()
    always = {"kind": "weekly", "weekdays": list(range(7)), "label": "Every day"}
    calendar = services.create_calendar(process.folder, actor=make.SYSTEM, name="Never", rules=[always])
    trigger = make.trigger(process, configuration={"cron": "@hourly"}, calendar=calendar)

    shown = text_of(superuser().get(page_of(trigger, "simulate")))

    assert shown.count("stayed silent") == 24


def test_the_page_of_a_process_names_its_triggers_as_far_as_the_reader_may_see_them():
    trigger = make.trigger()
    stranger = with_permissions("processes.view_process", inside=trigger.tenant)

    shown, without = text_of(superuser().open(trigger.process)), text_of(stranger.open(trigger.process))

    assert page_of(trigger) in shown
    assert f"{new(Trigger)}?process={trigger.process_id}" in shown
    assert page_of(trigger) not in without
    assert new(Trigger) not in without
