"""Addresses of jobs, executions and robots, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.jobs.views.artefacts import ArtefactViewSet
from apps.jobs.views.bulk import BulkChangeViewSet
from apps.jobs.views.executions import ExecutionViewSet, LateResultViewSet
from apps.jobs.views.jobs import JobViewSet
from apps.jobs.views.robots import RobotViewSet

router = ApiRouter()
# Before the jobs, whose addresses would take the word for an id.
router.register("jobs/bulk-changes", BulkChangeViewSet, basename="jobs/bulk-changes")
router.register("jobs", JobViewSet, basename="jobs")
router.register("executions", ExecutionViewSet, basename="executions")
router.register("artefacts", ArtefactViewSet, basename="artefacts")
router.register("late-results", LateResultViewSet, basename="late-results")
router.register("robots", RobotViewSet, basename="robots")

urlpatterns = router.urls
