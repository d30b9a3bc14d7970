from django.apps import AppConfig


class RetentionConfig(AppConfig):
    name = "apps.retention"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from apps.jobs.receivers import after_migrate

        # The last app to migrate that has permissions of its own.
        post_migrate.connect(after_migrate, sender=self)
