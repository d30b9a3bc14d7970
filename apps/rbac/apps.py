from django.apps import AppConfig


class RbacConfig(AppConfig):
    name = "apps.rbac"
    verbose_name = "Access"
