"""Browsers tell what they refused; anybody may, so it is bounded."""

import json

import pytest
import structlog
from django.test import Client

from apps.console.views import csp_reports
from apps.console.views.csp_reports import LARGEST_REPORT, Allowance

pytestmark = pytest.mark.django_db

OLD = {
    "csp-report": {
        "document-uri": "https://bv.example/admin/login/?token=hush",
        "violated-directive": "script-src",
        "effective-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/x.js?hush",
        "line-number": 7,
    }
}
NEW = [{"type": "csp-violation", "body": {"documentURL": "https://bv.example/x", "effectiveDirective": "img-src"}}]


@pytest.fixture
def told(monkeypatch):
    """Send a body as a browser would, and return the answer's status and what was logged."""
    monkeypatch.setattr(csp_reports, "lines", Allowance(3))
    browser = Client(enforce_csrf_checks=True)

    def tell(body, kind="application/csp-report"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with structlog.testing.capture_logs() as captured:
            answer = browser.post("/csp-reports", body, content_type=kind)
        return answer.status_code, [line for line in captured if line["event"] == "csp_violation"]

    return tell


def test_a_report_becomes_a_line_without_query_strings(told):
    status, [line] = told(OLD)

    assert status == 204
    assert (line["page"], line["blocked"]) == ("https://bv.example/admin/login/", "https://evil.example/x.js")
    assert (line["directive"], line["line"]) == ("script-src-elem", "7")
    assert "hush" not in str(line)


def test_the_newer_form_is_understood(told):
    assert told(NEW, "application/reports+json")[1][0]["directive"] == "img-src"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[",
        b"[]",
        b"7",
        b'{"csp-report": 7}',
        b"[" * 9_000,
        b'{"a": "' + b"x" * LARGEST_REPORT + b'"}',
        b"\xff",
    ],
)
def test_what_is_no_report_is_taken_and_forgotten(told, body):
    assert told(body) == (204, [])


def test_only_so_many_lines_are_written_in_a_minute():
    now = [0.0]
    allowance = Allowance(2, clock=lambda: now[0])

    first = [allowance.take() for _ in range(4)]
    now[0] = 61.0

    assert first == [True, True, False, False]
    assert allowance.take()


def test_who_is_to_be_told_of_a_weakness_is_said_where_people_look(settings):
    settings.SECURITY_CONTACT = ""
    assert Client().get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@example.com"

    answer = Client().get("/.well-known/security.txt")

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode().startswith("Contact: mailto:security@example.com\nExpires: 20")
