"""After each migrate: what a database needs before it is worked with."""

from typing import Any

import structlog
from django.apps import apps
from django.db import OperationalError, connection

from apps.core import streams
from apps.core.actors import Actor
from apps.jobs import services
from apps.rbac import services as rbac

log = structlog.get_logger(__name__)


def after_migrate(**_: Any) -> None:
    """Make partitions for the time to come, the plane's one row, and roles that know every permission.

    Safe to repeat. It hangs on the last app to migrate that has permissions of its own, so that the roles see all of
    them; a migrate that stops on the way leaves it to the one that goes to the end.
    """
    if not _all_tables_are_there():
        return
    try:
        streams.ensure_partitions()
    except OperationalError as error:  # Somebody writes much just now. The hourly tick comes again.
        log.warning("partitions_not_made", error=str(error).strip())
    actor = Actor.system("migrate")
    rbac.ensure_builtin_roles(actor=actor)
    services.ensure_plane(actor=actor)


def _all_tables_are_there() -> bool:
    wanted = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    return wanted <= set(connection.introspection.table_names())
