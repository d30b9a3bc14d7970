from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Listen to Django, which tells when somebody signs in."""
        from apps.accounts import receivers  # noqa: F401 - importing it is what connects it
