"""The wiring as Django sees it: system checks, and the admin site with the house's own look."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class WiringConfig(AppConfig):
    name = "config"
    verbose_name = "Carillon"

    def ready(self) -> None:
        # Makes the Celery app current, and registers the checks.
        from config import celery, checks  # noqa: F401


class AdministrationConfig(AdminConfig):
    default_site = "config.admin.AdministrationSite"
