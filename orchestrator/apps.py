from django.apps import AppConfig

from orchestrator.celery import app as celery_app

__all__ = ["OrchestratorConfig", "celery_app"]


class OrchestratorConfig(AppConfig):
    """Importing this module makes the Celery application the current one for every process that loads Django."""

    name = "orchestrator"
    verbose_name = "Orchestrator"
