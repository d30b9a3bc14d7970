"""Settings of the running system: what holds where, who may change it, and what is written down."""

import pytest

from apps.audit.models import AuditEntry
from apps.configuration import models, rules, services
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
from apps.encryption import services as encryption
from tests import make

pytestmark = pytest.mark.django_db
JOBS, ITEMS, EVENTS = "jobs_retention_days", "queue_items_retention_days", "events_retention_days"


def in_force(tenant=None):
    return Setting.objects.in_force("retention", tenant.pk if tenant else None)


def change(tenant=None, **values):
    return services.change_settings("retention", actor=make.SYSTEM, values=values, tenant=tenant)


def refused(tenant=None, **values):
    with pytest.raises(Invalid) as refusal:
        change(tenant, **values)
    return {problem.field: problem.code for problem in refusal.value.problems}


def test_defaults_hold_while_nobody_has_set_anything():
    assert in_force() == {
        "retention_enabled": True,
        "jobs_retention_days": 30,
        "artefacts_retention_days": 30,
        "job_logs_retention_days": 30,
        "spans_retention_days": 30,
        "queue_items_retention_days": 90,
        "firings_retention_days": 30,
        "bin_retention_days": 30,
        "events_retention_days": 30,
        "late_results_retention_days": 30,
        "audit_logs_retention_days": 400,
    }


def test_what_is_set_holds_for_the_installation_and_the_rest_stays():
    answer = change(**{JOBS: 7})

    assert answer == in_force()
    assert in_force()[JOBS] == 7
    assert in_force()[ITEMS] == 90


def test_a_tenant_may_have_its_own_value_in_the_place_of_the_installations():
    mine, other = make.tenant(), make.tenant()
    change(**{JOBS: 7})
    change(mine, **{JOBS: 60})

    assert in_force(mine)[JOBS] == 60
    assert in_force(other)[JOBS] == 7
    assert Setting.objects.by_tenant("retention", JOBS) == {mine.pk: 60}


def test_null_takes_back_what_was_set():
    mine = make.tenant()
    change(**{JOBS: 7})
    change(mine, **{JOBS: 60})

    change(mine, **{JOBS: None})
    change(**{JOBS: None})

    assert in_force(mine)[JOBS] == 30
    assert not Setting.objects.exists()


def test_a_tenant_cannot_have_its_own_where_all_share_what_is_kept():
    mine = make.tenant()

    assert refused(mine, **{EVENTS: 7, JOBS: 9}) == {EVENTS: "installation_only"}
    assert not Setting.objects.exists()


def test_a_client_that_sends_a_whole_group_back_changes_one_key_of_a_tenant():
    mine = make.tenant()

    change(mine, **(in_force(mine) | {JOBS: 9}))

    assert [setting.name for setting in Setting.objects.all()] == ["retention.jobs_retention_days"]


@pytest.mark.parametrize(
    ("group", "key", "value"),
    [
        ("general", "timezone", "Mars/Olympus"),
        ("general", "public_url", "javascript://x"),
        ("general", "public_url", "https://user@example.com"),
        ("general", "public_url", "https://example.com/?a=1"),
        ("general", "public_url", "https://exa\nmple.com"),
        ("general", "public_url", "https://example.com:port"),
        ("general", "instance_name", " "),
        ("general", "instance_name", "x" * 61),
        ("security", "max_failed_logins", 0),
        ("security", "mfa_required", "yes"),
        ("jobs", "lease_seconds", 29),
        ("jobs", "timeout", 0),
        ("email", "smtp_host", "mail example"),
        ("email", "smtp_port", 65536),
        ("email", "from_address", "nobody"),
        ("email", "from_address", "Robots <r@example.com>\r\nBcc: x@example.com"),
        ("logging", "level", "LOUD"),
        ("logging", "mask_patterns", "sk-live-*"),
        ("logging", "mask_patterns", ["abc*"]),
        ("logging", "mask_patterns", ["sk-*-*-*"]),
        ("logging", "mask_patterns", ["(a+)+\\"]),
        ("logging", "mask_patterns", ["    "]),
        ("logging", "mask_patterns", [7]),
        ("logging", "mask_patterns", ["secret"] * 21),
    ],
)
def test_what_does_not_fit_is_refused_in_every_group(group, key, value):
    with pytest.raises(Invalid) as refusal:
        services.change_settings(group, actor=make.SYSTEM, values={key: value})

    assert [problem.field for problem in refusal.value.problems] == [key]


@pytest.mark.parametrize(
    ("key", "value"),
    [(JOBS, 0), (JOBS, 3651), (JOBS, "7"), (JOBS, True), (JOBS, 7.5), ("retention_enabled", 1), (JOBS, [7])],
)
def test_what_does_not_fit_is_refused_by_its_name(key, value):
    assert refused(**{key: value}) == {key: "invalid"}


def test_an_unknown_key_is_refused_by_its_name():
    assert refused(job_retention_days=3) == {"job_retention_days": "unknown_field"}


def test_an_unknown_group_is_refused():
    with pytest.raises(Invalid, match="There is: general"):
        services.change_settings("weather", actor=make.SYSTEM, values={})


def test_nobody_lets_the_trail_go_within_a_month():
    assert refused(audit_logs_retention_days=29) == {"audit_logs_retention_days": "invalid"}
    assert change(audit_logs_retention_days=30)["audit_logs_retention_days"] == 30


def test_a_change_is_written_down_with_what_was_and_what_is():
    change(**{JOBS: 7, ITEMS: 90})

    entry = AuditEntry.objects.get(action="settings.changed")
    assert entry.before == {"retention.jobs_retention_days": 30}
    assert entry.after == {"retention.jobs_retention_days": 7}
    assert entry.tenant_id is None


def test_a_change_for_a_tenant_is_written_down_in_its_trail():
    mine = make.tenant()
    change(mine, **{JOBS: 7})

    entry = AuditEntry.objects.get(action="settings.changed")
    assert (entry.tenant_id, entry.target_id) == (mine.pk, mine.pk)


def test_what_changes_nothing_is_not_written_down():
    change(**{JOBS: 30})

    assert not AuditEntry.objects.filter(action="settings.changed").exists()


def test_the_right_in_a_tenant_is_none_over_the_installation():
    mine, other = make.tenant(), make.tenant()
    actor = Actor.person(make.user("configuration.change_setting", inside=mine))

    services.change_settings("retention", actor=actor, values={JOBS: 7}, tenant=mine)

    with pytest.raises(NotAllowed):
        services.change_settings("retention", actor=actor, values={JOBS: 7})
    with pytest.raises(NotAllowed):
        services.change_settings("retention", actor=actor, values={JOBS: 7}, tenant=other)


def test_a_stored_value_that_no_longer_fits_is_as_good_as_not_set():
    Setting.objects.create(name="retention.jobs_retention_days", type="int", value=99_999, set_by="an older version")
    Setting.objects.create(name="retention.long_gone", type="int", value=3, set_by="an older version")

    assert in_force()[JOBS] == 30
    assert "long_gone" not in in_force()


def test_every_default_fits_its_own_setting():
    every = [known for group in rules.GROUPS.values() for known in group.settings]

    assert [known.key for known in every if known.fallback is not None and known.problem_of(known.fallback)] == []


def test_the_environment_says_what_holds_while_nobody_has_set_it(settings):
    settings.LEASE_TTL, settings.LOG_LEVEL = 45, "WARNING"

    assert Setting.objects.in_force("jobs")["lease_seconds"] == 45
    assert Setting.objects.in_force("logging")["level"] == "WARNING"
    services.change_settings("jobs", actor=make.SYSTEM, values={"lease_seconds": 120})
    assert Setting.objects.in_force("jobs")["lease_seconds"] == 120


def test_what_is_read_often_is_asked_for_once_and_follows_a_change(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert [Setting.objects.lately("jobs")["grace_seconds"] for _ in range(3)] == [30, 30, 30]

    services.change_settings("jobs", actor=make.SYSTEM, values={"grace_seconds": 5})

    assert Setting.objects.lately("jobs")["grace_seconds"] == 5


def test_another_process_follows_a_change_within_seconds(monkeypatch):
    assert Setting.objects.lately("jobs")["grace_seconds"] == 30
    Setting.objects.create(name="jobs.grace_seconds", type="int", value=7, set_by="another process")
    assert Setting.objects.lately("jobs")["grace_seconds"] == 30

    monkeypatch.setattr(models, "SECONDS_KNOWN", 0)

    assert Setting.objects.lately("jobs")["grace_seconds"] == 7


def change_mail(**values):
    return services.change_settings("email", actor=make.SYSTEM, values=values)


def test_mail_needs_what_it_cannot_leave_without():
    with pytest.raises(Invalid, match="Missing required fields when email is enabled: smtp_host, from_address"):
        change_mail(enabled=True)
    with pytest.raises(Invalid, match="exclude each other"):
        change_mail(smtp_use_tls=True, smtp_use_ssl=True)

    change_mail(enabled=True, smtp_host="mail.example.com", from_address="Robots <robots@example.com>")

    with pytest.raises(Invalid, match="smtp_host"):
        change_mail(smtp_host=None)
    assert change_mail(smtp_use_ssl=True)["smtp_port"] == 465


def test_a_secret_is_sealed_masked_and_in_the_trail_only_as_a_hash():
    told = change_mail(smtp_username="bv", smtp_password="opensesame!")
    again = change_mail(smtp_password="opensesame!")
    changed = change_mail(smtp_password="anothersesame!")

    row = Setting.objects.get(name="email.smtp_password")
    entries = list(AuditEntry.objects.filter(action="settings.changed").order_by("pk"))
    assert told["smtp_password"] == again["smtp_password"] == changed["smtp_password"] == row.value == "********"
    assert "sesame" not in row.sealed
    assert Setting.objects.secret("email", "smtp_password") == "anothersesame!"
    assert len(entries) == 2
    assert entries[1].after["email.smtp_password"].startswith("hidden:")
    assert entries[1].after != entries[1].before
    assert "sesame" not in str([(entry.before, entry.after) for entry in entries])

    encryption.rotate_data_key(None, actor=make.SYSTEM)
    encryption.reencrypt_some((Setting, "sealed"), actor=make.SYSTEM)

    assert Setting.objects.get(pk=row.pk).sealed != row.sealed
    assert Setting.objects.secret("email", "smtp_password") == "anothersesame!"
    assert list(encryption.flaws_of_secrets()) == []
    assert change_mail(smtp_password="")["smtp_password_set"] is False
