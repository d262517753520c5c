"""Every address of the house, each under the app that answers it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.views import SpectacularJSONAPIView

from config import (
    reference,
    schema,  # noqa: F401  registers what OpenAPI shows of our credentials
)
from config.doctor import doors
from config.guide import manual
from config.guide.views import show_guide, show_manual

urlpatterns = [
    path("ajo/", include("campaigns.api.urls")),  # called most, so found first
    path("", include("campaigns.urls")),
    path("", include("campaigns.public_urls")),
    path("", include("audiences.public_urls")),
    path("", include("channels.public_urls")),
    path("audiences/", include("audiences.urls")),
    path("channels/", include("channels.urls")),
    path("accounts/", include("accounts.urls")),
    path("oauth/", include("accounts.api.urls")),
    path("api/", include("accounts.api.house_urls")),
    path("api/", include("audiences.api.urls")),
    path("api/", include("channels.api.urls")),
    path("api/", include("campaigns.api.house_urls")),
    # It is the same for everybody, and takes seconds to write.
    path("api/schema/", cache_page(3600)(SpectacularJSONAPIView.as_view()), name="api_schema"),
    path("developers/reference/", reference.show_reference, name="api_reference"),
    path("developers/changes/", reference.show_changelog, name="api_changelog"),
    path("doctor/", doors.show_doctor, name="doctor"),
    path("api/doctor/", doors.Doctor.as_view(), name="api_doctor"),
    path("guide/", show_guide, name="guide"),
    *[path(f"guide/{name}/", show_manual, {"name": name}, f"manual_{name}") for name in manual.NAMES],
    path("admin/", admin.site.urls),
]
if settings.DEMO:
    urlpatterns.append(path("demo/", include("config.demo.urls")))

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
