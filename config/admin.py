"""The admin site, with the house's name."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _


class AdministrationSite(admin.AdminSite):
    site_header = _("Carillon administration")
    site_title = _("Carillon")
    index_title = _("Administration")
