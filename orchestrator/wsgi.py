"""The web role: admin, REST API, robot API."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
application = get_wsgi_application()

from orchestrator.levels import LevelFollower  # noqa: E402  # needs the settings
from orchestrator.ticking import Ticker  # noqa: E402

Ticker().start()
LevelFollower().start()
