from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Listen to Django, which tells when somebody signs in."""
        import_module("apps.accounts.receivers")
