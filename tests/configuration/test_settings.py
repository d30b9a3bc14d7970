"""Settings of the running system: what holds where, who may change it, and what is written down."""

import pytest

from apps.audit.models import AuditEntry
from apps.configuration import rules, services
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.errors import Invalid, NotAllowed
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
    ("key", "value"),
    [(JOBS, 0), (JOBS, 3651), (JOBS, "7"), (JOBS, True), (JOBS, 7.5), ("retention_enabled", 1), (JOBS, [7])],
)
def test_what_does_not_fit_is_refused_by_its_name(key, value):
    assert refused(**{key: value}) == {key: "invalid"}


def test_an_unknown_key_is_refused_by_its_name():
    assert refused(job_retention_days=3) == {"job_retention_days": "unknown_field"}


def test_an_unknown_group_is_refused():
    with pytest.raises(Invalid, match="There is: retention"):
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

    assert [known.key for known in every if known.problem_of(known.default)] == []
