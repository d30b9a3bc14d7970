from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "apps.console"
    verbose_name = "Console"

    def ready(self) -> None:
        """Listen to Celery, which tells when beat sends its tick."""
        from apps.console import receivers  # noqa: F401 - importing it is what connects it
