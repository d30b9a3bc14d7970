"""The web role: admin, REST API, robot API."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
application = get_wsgi_application()


def _start_beside() -> None:
    """Start what runs beside the requests; it needs the settings, which are there by now."""
    from orchestrator.levels import LevelFollower
    from orchestrator.ticking import Ticker

    Ticker().start()
    LevelFollower().start()


_start_beside()
