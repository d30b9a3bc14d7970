"""Facts about permissions: which can be handed out, and what programs of existing clients call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

#: Apps whose permissions an operator may hand out.
OPERATIONAL_APPS = (
    "packages", "processes", "queues", "jobs", "triggers", "robots", "audit", "events", "tenancy", "accounts", "rbac",
    "configuration", "mail", "retention", "assets", "encryption", "console",
)  # fmt: skip

OPERATIONS: Final = ("view", "create", "edit", "delete")
#: What existing clients know: an artifact and what is done to it. Every permission that people hold stands here once.
ARTIFACTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    # Everybody who is signed in sees the dashboard, with numbers of what they may see.
    "dashboard": {},
    "machines": {
        "view": ("robots.view_machine", "robots.view_enrolmentkey"),
        "create": ("robots.add_machine", "robots.add_enrolmentkey"),
        "edit": (
            "robots.change_machine", "robots.enrol_machine", "robots.change_enrolmentkey", "robots.rotate_enrolmentkey",
        ),
        "delete": ("robots.delete_machine", "robots.delete_enrolmentkey"),
    },
    "processes": {
        "view": ("processes.view_process", "processes.view_namedlimit"),
        "create": ("processes.add_process", "processes.add_namedlimit"),
        "edit": ("processes.change_process", "processes.change_namedlimit"),
        "delete": ("processes.delete_process", "processes.delete_namedlimit"),
    },
    "packages": {
        "view": ("packages.view_package", "packages.download_packageversion"),
        "create": ("packages.upload_package",),
        "edit": ("packages.change_package",),
        "delete": ("packages.delete_package",),
    },
    "assets": {
        "view": ("assets.view_asset",),
        "create": ("assets.add_asset",),
        "edit": ("assets.change_asset", "assets.set_asset"),
        "delete": ("assets.delete_asset",),
    },
    "secrets": {"view": ("assets.reveal_asset",), "edit": ("assets.use_asset",)},
    "jobs": {
        "view": ("jobs.view_job",),
        "create": ("processes.run_process",),
        "edit": ("jobs.cancel_job", "jobs.retry_job", "jobs.prioritise_job", "jobs.report_execution"),
        "delete": ("jobs.delete_artefact",),
    },
    "robots": {
        "view": ("robots.view_robot",),
        "create": ("robots.add_robot",),
        "edit": ("robots.change_robot", "robots.rotate_robot"),
        "delete": ("robots.delete_robot",),
    },
    "queues": {
        "view": ("queues.view_queue", "queues.view_filestore"),
        "create": ("queues.add_queue", "queues.add_filestore"),
        "edit": ("queues.change_queue", "queues.pause_queue", "queues.change_filestore"),
        "delete": ("queues.delete_queue", "queues.delete_filestore"),
    },
    "queue_items": {
        "view": ("queues.view_queueitem",),
        "create": ("queues.add_queueitem", "queues.add_itemfile", "queues.add_storedfile"),
        "edit": ("queues.take_queueitem", "queues.requeue_queueitem", "queues.review_queueitem"),
        "delete": ("queues.delete_queueitem", "queues.delete_itemfile", "queues.delete_storedfile"),
    },
    "credential_stores": {
        "view": ("assets.view_credentialstore",),
        "create": ("assets.add_credentialstore",),
        "edit": ("assets.change_credentialstore", "assets.use_credentialstore", "encryption.rotate_datakey"),
        "delete": ("assets.delete_credentialstore",),
    },
    "triggers": {
        "view": ("triggers.view_trigger", "triggers.view_calendar"),
        "create": ("triggers.add_trigger", "triggers.add_calendar"),
        "edit": (
            "triggers.change_trigger", "triggers.enable_trigger", "triggers.fire_trigger", "triggers.change_calendar",
        ),
        "delete": ("triggers.delete_trigger", "triggers.delete_calendar"),
    },
    "users": {
        "view": ("accounts.view_user", "accounts.view_apitoken"),
        "create": ("accounts.add_user", "accounts.add_apitoken"),
        "edit": ("accounts.change_user", "accounts.change_apitoken"),
        "delete": ("accounts.delete_apitoken",),
    },
    "roles": {
        "view": ("rbac.view_role", "rbac.view_group", "rbac.view_roleassignment"),
        "create": ("rbac.add_role", "rbac.add_group", "rbac.add_roleassignment"),
        "edit": ("rbac.change_role", "rbac.change_group"),
        "delete": ("rbac.delete_role", "rbac.delete_group", "rbac.delete_roleassignment"),
    },
    "audit": {"view": ("audit.view_auditentry", "events.view_event"), "create": ("audit.export_entry",)},
    "settings": {
        "view": ("configuration.view_setting", "retention.view_pruning", "console.view_tick", "mail.view_mail"),
        "edit": ("configuration.change_setting", "console.change_tick", "mail.send_mail"),
    },
    "tenants": {
        "view": ("tenancy.view_tenant", "tenancy.view_folder", "tenancy.view_brake"),
        "create": ("tenancy.add_tenant", "tenancy.add_folder", "tenancy.add_brake"),
        "edit": ("tenancy.change_tenant", "tenancy.change_folder", "tenancy.lift_brake"),
        "delete": ("tenancy.delete_folder",),
    },
}  # fmt: skip
#: What is done beside these, by its verb: each is one of the permissions above.
VERBS: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("processes.run_process", "triggers.fire_trigger"),
    "cancel": ("jobs.cancel_job",),
    "approve": ("queues.review_queueitem", "jobs.retry_job"),
    "reveal": ("assets.reveal_asset",),
    "use": ("assets.use_asset", "assets.use_credentialstore"),
    "claim": ("queues.take_queueitem",),
    "publish": ("packages.upload_package",),
    "rotate": (
        "robots.enrol_machine", "robots.rotate_enrolmentkey", "robots.rotate_robot", "encryption.rotate_datakey",
        "accounts.change_apitoken",
    ),
    "export": ("packages.download_packageversion", "audit.export_entry"),
}  # fmt: skip


def artifacts_of(held: Iterable[str], *, everything: bool = False) -> list[dict[str, Any]]:
    """Return what permissions amount to, artifact by artifact; an operation is held where all of it is."""
    names = set(held)
    return [
        {"artifact": artifact, **{f"can_{one}": _holds(operations.get(one), names, everything) for one in OPERATIONS}}
        for artifact, operations in ARTIFACTS.items()
    ]


def verbs_of(held: Iterable[str], *, everything: bool = False) -> list[str]:
    """Return the verbs of which permissions hold anything."""
    names = set(held)
    return [verb for verb, needed in VERBS.items() if everything or names & set(needed)]


def with_artifacts(held: Iterable[str], wanted: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return permissions as they are once the artifacts are as wanted; an unknown artifact is left out.

    Of an operation that stays as it was shown, what was held in part stays too.
    """
    names = set(held)
    shown = {one["artifact"]: one for one in artifacts_of(names)}
    asked = {one["artifact"]: one for one in wanted if one["artifact"] in ARTIFACTS}
    for artifact, operations in ARTIFACTS.items():
        for one, needed in operations.items():
            may = bool(asked.get(artifact, {}).get(f"can_{one}", False))
            if may != shown[artifact][f"can_{one}"]:
                names = names | set(needed) if may else names - set(needed)
            elif artifact not in asked:
                names -= set(needed)
    return names


def _holds(needed: tuple[str, ...] | None, names: set[str], everything: bool) -> bool:
    return everything or (needed is not None and names.issuperset(needed))


def permissions_on(app: str, model: str) -> list[str]:
    """Return what people can be given on a row of a kind: the permissions that are named after it."""
    every = {name for operations in ARTIFACTS.values() for names in operations.values() for name in names}
    return sorted(name for name in every if name.startswith(f"{app}.") and name.endswith(f"_{model}"))


def is_known(permission: str) -> bool:
    """Say whether people can be given such a permission."""
    return any(permission in names for operations in ARTIFACTS.values() for names in operations.values())


#: What is asked of the whole installation and never of a row.
OF_THE_INSTALLATION: Final = (
    "accounts.add_user", "accounts.change_user", "configuration.change_setting", "console.change_tick",
    "encryption.rotate_datakey", "rbac.add_role", "rbac.add_roleassignment", "tenancy.add_tenant",
    "tenancy.change_tenant",
)  # fmt: skip
