"""What existing clients call permissions: one table, both ways."""

from apps.accounts.admin.roles import GRANTABLE
from apps.rbac.rules import ARTIFACTS, VERBS, artifacts_of, verbs_of, with_artifacts

#: The fourteen that they know; the rest is ours.
THEIRS = {
    "dashboard", "machines", "processes", "packages", "assets", "jobs", "robots", "queues", "queue_items",
    "credential_stores", "users", "roles", "audit", "settings",
}  # fmt: skip
NAMED = [name for operations in ARTIFACTS.values() for names in operations.values() for name in names]


def right(artifact, **may):
    return {"artifact": artifact, **{f"can_{one}": one in may for one in ("view", "create", "edit", "delete")}}


def test_every_permission_that_can_be_granted_stands_in_the_table_once():
    grantable = sorted(name for group in GRANTABLE.values() for name in group)

    assert sorted(NAMED) == grantable
    assert set(ARTIFACTS) == THEIRS | {"triggers", "secrets", "tenants"}
    assert {name for names in VERBS.values() for name in names} <= set(NAMED)


def test_what_is_granted_by_artifact_reads_the_same_again():
    wanted = [right("jobs", view=1, edit=1), right("triggers", view=1, delete=1), right("unknown", view=1)]

    held = with_artifacts([], wanted)

    shown = {one["artifact"]: one for one in artifacts_of(held)}
    assert (shown["jobs"], shown["triggers"]) == (wanted[0], wanted[1])
    assert not any(shown["robots"][f"can_{one}"] for one in ("view", "create", "edit", "delete"))
    assert verbs_of(held) == ["cancel", "approve"]
    assert with_artifacts(held, artifacts_of(held)) == held
    assert with_artifacts(held, []) == set()


def test_what_is_held_in_part_stays_while_its_artifact_is_sent_back_as_it_was():
    held = {"queues.pause_queue", "queues.view_queue", "queues.view_filestore"}

    assert with_artifacts(held, artifacts_of(held)) == held
    assert with_artifacts(held, [right("queues", view=1, edit=1)]) == held | set(ARTIFACTS["queues"]["edit"])
    assert with_artifacts(held, [right("jobs", view=1)]) == {"jobs.view_job"}


def test_who_holds_everything_may_everything():
    assert {value for one in artifacts_of([], everything=True) for value in one.values()} == {True, *ARTIFACTS}
    assert verbs_of([], everything=True) == list(VERBS)
