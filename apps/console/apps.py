from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AdminConfig(admin_apps.AdminConfig):
    """Django's admin on our own site."""

    default_site = "apps.console.views.site.ConsoleSite"
    default = False


class ConsoleConfig(AppConfig):
    default = True
    name = "apps.console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Listen to Celery, which tells when beat sends its tick."""
        import_module("apps.console.receivers")
