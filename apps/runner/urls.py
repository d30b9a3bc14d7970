"""Addresses of the robot API: the canonical ones below ``/api/v1/``, and those of existing clients."""

from apps.core.api.routes import api_path
from apps.runner.views import artefacts, belonging, children, files, robots
from apps.runner.views import items as own_items
from apps.runner.views.bv import access, assets, audit, items, queues, spans
from apps.runner.views.bv import robots as bv
from apps.runner.views.bv.falling import or_canonical
from apps.runner.views.management import MachineKeyViewSet, RobotSwitchViewSet

_CALLS = [
    api_path("runner/connect-machine", bv.connect_machine),
    api_path("runner/assigned-robots", bv.assigned_robots),
    api_path("runner/register-robot", robots.register),
    api_path("runner/heartbeat", bv.heartbeat),
    api_path("runner/next-job", bv.next_job),
    api_path("runner/jobs/<str:handle>/update", bv.update_job),
    api_path("runtime/jobs", children.start),
    api_path("runtime/jobs/<str:child>", children.read),
    api_path("runtime/jobs/<str:child>/cancel", children.cancel),
    api_path("runtime/jobs/<str:handle>/stop-requested", bv.stop_requested),
    api_path("runtime/queues/<str:queue>/take", own_items.take),
    api_path("runtime/queues/<str:queue>/items", own_items.add),
    api_path("runtime/item-leases/finish", own_items.finish_many),
    api_path("runtime/item-leases/<str:lease>/renew", own_items.renew),
    api_path("runtime/item-leases/<str:lease>/finish", own_items.finish),
    api_path("runtime/item-leases/<str:lease>/release", own_items.release),
    api_path("runtime/item-leases/<str:lease>/files", files.list_held),
    api_path("runtime/item-leases/<str:lease>/files/<str:name>", files.held),
    api_path("runtime/file-stores/<str:store>/files", files.list_stored),
    api_path("runtime/file-stores/<str:store>/files/<path:path>", files.stored),
    api_path("runtime/assets/<str:name>", assets.named),
    api_path("runtime/secrets/resolve", assets.resolve),
    api_path("runtime/credentials/<str:name>", assets.metadata),
    api_path("job-executions/<str:execution_id>/logs", bv.append_log),
    api_path("agent-traces/<str:execution_id>/spans", spans.record),
    api_path("runner/packages/<str:version>/download", bv.download),
]
#: Calls of existing BV runners. They answer below ``/api/``, ``/<tenant>/orchestrator_/`` and ``/api/v1/`` alike, but
#: for the last: runners that put the address together themselves know that one.
bv_patterns = [
    *_CALLS,
    api_path("packages/<str:version>/download", bv.download),
    api_path("assets/name/<str:name>", assets.named),
    api_path("assets/secret/<str:name>", assets.secret),
    api_path("assets/credential/<str:name>", assets.credential),
    api_path("access/roles", access.roles),
    api_path("access/roles/<uuid:role>", access.role),
    api_path("access/users", access.users),
    api_path("access/users/<uuid:user>/roles", access.roles_of_user),
    api_path("access/users/<uuid:user>/disable", access.disable_user),
    api_path("access/users/<uuid:user>/enable", access.enable_user),
    api_path("queues", or_canonical(queues.collection, "GET", "POST")),
    api_path("queues/<uuid:queue>", or_canonical(queues.one, "GET", "PUT", "DELETE")),
    api_path("queues/<uuid:queue>/stats", queues.statistics),
    api_path("queue-items", or_canonical(items.collection, "GET", "POST")),
    api_path("queue-items/next", items.take_next),
    api_path("queue-items/add", items.add),
    api_path("queue-items/<uuid:item>", or_canonical(items.one, "GET", "PUT", "DELETE")),
    api_path("queue-items/<str:handle>/status", items.set_status),
    api_path("queue-items/<uuid:item>/requeue", items.requeue),
    api_path("audit", audit.collection),
    api_path("audit/<uuid:entry>", audit.one),
]

urlpatterns = [
    api_path("machines/<str:id>/regenerate-key", MachineKeyViewSet.as_view({"post": "regenerate_key"})),
    api_path("robots/<str:id>/disable", RobotSwitchViewSet.as_view({"post": "disable"})),
    api_path("runner/sessions", robots.open_session),
    api_path("runner/sync", robots.sync),
    api_path("runner/leases/<str:lease>/start", robots.start),
    api_path("runner/leases/<str:lease>/finish", robots.finish),
    api_path("runner/leases/<str:lease>/release", robots.release),
    api_path("runner/leases/<str:lease>/log", robots.log),
    api_path("runner/leases/<str:lease>/artefacts", artefacts.keep),
    api_path("runner/deregister", belonging.deregister),
    api_path("runner/rotate-token", belonging.rotate_token),
    api_path("runner/packages", belonging.list_packages),
    api_path("runner/packages/<str:version>/download", robots.download),
    *_CALLS,
]
