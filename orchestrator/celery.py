"""The Celery application: it only wakes; rows are the truth."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

app = Celery("orchestrator")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect(weak=False)
def leave_logging_alone(**_: Any) -> None:
    """Keep Celery from adding handlers of its own: the settings have set logging up already."""
