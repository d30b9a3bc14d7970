"""The form of a trigger in a browser: what it would do is said while one types."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from apps.triggers.models import Trigger
from tests import make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PATIENCE = 20_000


def test_the_preview_follows_what_is_typed_and_the_trigger_is_saved(watched, administrator):
    process = make.process()
    watched.sign_in(administrator)
    page = watched.open(f"/admin/triggers/trigger/add/?process={process.pk}&kind=time")
    preview = page.locator("#op-preview")
    expect(preview).to_contain_text("Write a cron expression", timeout=PATIENCE)

    page.get_by_label("Cron expression").fill("0 9 * * mon-fri")
    expect(preview).to_contain_text("At 09:00 on Monday through Friday", timeout=PATIENCE)
    page.get_by_role("combobox", name="Time zone").fill("America/New_York")
    expect(preview).to_contain_text("Europe/Paris", timeout=PATIENCE)
    expect(preview.locator("tbody tr")).to_have_count(20)
    watched.keep("trigger-preview")

    page.get_by_label("Name").fill("Nightly")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**/change/")
    assert Trigger.objects.get().configuration == {"cron": "0 9 * * mon-fri"}


def test_the_form_shows_what_the_chosen_way_to_be_due_needs(watched, administrator):
    process = make.process()
    watched.sign_in(administrator)
    page = watched.open(f"/admin/triggers/trigger/add/?process={process.pk}&kind=time")
    expect(page.get_by_label("Cron expression")).to_be_visible()
    expect(page.get_by_label("How many")).to_be_hidden()

    page.get_by_text("Again and again, after the same time").click()
    page.get_by_label("How many").fill("15")

    expect(page.get_by_label("Cron expression")).to_be_hidden()
    expect(page.locator("#op-preview")).to_contain_text("Every 15 minutes", timeout=PATIENCE)
