"""The live role: robots wait here. The site itself is served by ``orchestrator.wsgi``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup(set_prefix=False)

from apps.runner.live import application  # noqa: E402  # needs the settings

__all__ = ["application"]
