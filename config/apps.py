"""The wiring as Django sees it: system checks, and the admin site with the house's own look."""

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class WiringConfig(AppConfig):
    name = "config"
    verbose_name = "Carillon"

    def ready(self) -> None:
        # Makes the Celery app current, and registers the checks.
        from config import celery, checks  # noqa: F401


class AdministrationConfig(AdminConfig):
    default_site = "config.admin.AdministrationSite"

    def ready(self) -> None:
        """The clock's entries stand in `config/celery.py`; a form for them would let any task be run."""
        super().ready()
        for model in filter(admin.site.is_registered, apps.get_app_config("django_celery_beat").get_models()):
            admin.site.unregister(model)
