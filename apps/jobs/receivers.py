"""After each migrate: the plane's one row, and roles that know every permission."""

from typing import Any

from apps.core.actors import Actor
from apps.jobs import services
from apps.rbac import services as rbac


def after_migrate(**_: Any) -> None:
    """Seed what a new database, or one with new permissions, needs; safe to repeat.

    It hangs on the last app to migrate that has permissions of its own, so that the roles see all of them.
    """
    actor = Actor.system("migrate")
    rbac.ensure_builtin_roles(actor=actor)
    services.ensure_plane(actor=actor)
