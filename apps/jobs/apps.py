from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "apps.jobs"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from apps.jobs.receivers import after_migrate

        post_migrate.connect(after_migrate, sender=self)
