"""Every address answers with and without a slash at its end, and none redirects."""

import pytest
from django.urls import reverse

from apps.core.api.routes import api_path
from tests.core.api import doors

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.api.urls")]


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
@pytest.mark.parametrize("path", ["/api/test/echo", "/api/test/records"])
def test_both_forms_are_answered(caller, path, slash):
    assert caller.get(path + slash).status_code == 200


@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
def test_rows_and_their_verbs_have_both_forms(caller, slash):
    row = doors.make_record("a", principal="ann")

    assert caller.get(f"/api/test/records/{row.id}{slash}").status_code == 200
    assert caller.post(f"/api/test/records/{row.id}/touch{slash}", content_type="application/json").status_code == 200


@pytest.mark.parametrize("path", ["/api/test/echo//", "/api/test//echo", "/api/test/nothing", "/api/test/nothing/"])
def test_what_is_not_there_is_not_found_and_not_redirected(caller, path):
    assert caller.get(path).status_code == 404


@pytest.mark.parametrize("setting", [True, False])
def test_django_adds_no_redirect_of_its_own(caller, settings, setting):
    settings.APPEND_SLASH = setting

    assert caller.get("/api/test/echo").status_code == 200
    assert caller.get("/api/test/nothing").status_code == 404


def test_addresses_are_made_without_the_slash():
    assert reverse("record-list") == "/api/test/records"
    assert reverse("record-rename", kwargs={"id": "x"}) == "/api/test/records/x/rename"


def test_a_route_written_with_a_slash_is_a_mistake():
    with pytest.raises(ValueError, match="ends with a slash"):
        api_path("jobs/", doors.plain_echo)
