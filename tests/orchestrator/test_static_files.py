"""Files for browsers: found without collecting them, and missed by name where a folder for them is empty."""

import io
from contextlib import suppress

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

pytestmark = pytest.mark.django_db


def told_by_doctor():
    out = io.StringIO()
    with suppress(CommandError):  # What else needs attention here does not matter.
        call_command("doctor", "--port", "1", stdout=out)
    return out.getvalue()


def test_a_folder_into_which_nothing_was_collected_is_said(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path

    assert "collectstatic" in told_by_doctor()


def test_a_folder_into_which_files_were_collected_is_well(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "staticfiles.json").touch()

    assert "collectstatic" not in told_by_doctor()


def test_the_bare_address_leads_to_the_admin():
    response = Client().get("/")

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
