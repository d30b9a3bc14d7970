"""What browsers are told with every answer, whoever gives it: cases F6 and F7, and what is left open to nobody."""

import pytest
from django.test import Client

from tests import make
from tests.admin.visitors import superuser

pytestmark = pytest.mark.django_db

STRICT = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    "report-uri /csp-reports",
}
IN_THE_ADMIN = STRICT - {"script-src 'self'", "style-src 'self'"} | {
    "script-src 'self' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
}
#: An address, the status it answers a stranger with, and whether a browser may keep the answer.
ANSWERS = {
    "a page": ("/admin/login/", 200, False),
    "a redirect": ("/", 302, False),
    "no such page": ("/nothing", 404, False),
    "a refusal of the edge": ("/admin/?x=%00", 400, False),
    "the API": ("/api/v1/jobs", 401, False),
    "a health check": ("/health/live", 200, False),
    "a file for pages": ("/static/operator/plain.css", 200, True),
}


def policy_of(response):
    return {part.strip() for part in response.headers["Content-Security-Policy"].split(";")}


@pytest.mark.parametrize(("path", "status", "is_kept"), ANSWERS.values(), ids=ANSWERS)
def test_f6_every_answer_tells_browsers_what_it_is_not_for(path, status, is_kept):
    response = Client().get(path)
    response.close()

    assert response.status_code == status
    assert policy_of(response) == (IN_THE_ADMIN if path.startswith("/admin/") else STRICT)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert "Access-Control-Allow-Origin" not in response.headers
    assert ("no-store" not in response.headers["Cache-Control"]) == is_kept


def test_f7_no_page_of_who_is_signed_in_is_kept_by_a_browser():
    visitor = superuser()
    pages = ["/admin/", "/admin/robots/robot/", "/admin/search/?s=x", "/api/v1/me", f"/admin/x/{make.robot().pk}/"]

    kept = [path for path in pages if "no-store" not in visitor.get(path).headers["Cache-Control"]]

    assert kept == []


def test_f13_no_map_leads_from_a_packed_file_to_its_source():
    file = "/static/rest_framework/css/bootstrap.min.css"
    found = Client().get(file)
    found.close()

    assert found.status_code == 200
    assert Client().get(f"{file}.map").status_code == 404


def test_f13_folders_are_not_listed_and_what_is_hidden_is_not_served():
    wanted = [
        "/static/",
        "/static/operator/",
        "/.git/config",
        "/static/../.git/config",
        "/manage.py",
        "/media/",
        "/.env",
    ]

    assert {path: Client().get(path).status_code for path in wanted} == dict.fromkeys(wanted, 404)


def test_f13_the_description_of_the_api_is_for_who_is_signed_in():
    assert [Client().get(path).status_code for path in ("/api/v1/schema", "/api/v1/docs")] == [401, 401]
