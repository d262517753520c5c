"""The addresses of the channels pages."""

from __future__ import annotations

from django.urls import path

from channels.views import configurations, domains

app_name = "channels"
urlpatterns = [
    path("", configurations.show_list, name="list"),
    path("new/", configurations.create, name="create"),
    path("domains/", domains.show_list, name="domains"),
    path("domains/new/", domains.create, name="domain_create"),
    path("domains/<int:pk>/", domains.detail, name="domain"),
    path("domains/<int:pk>/check/", domains.check, name="domain_check"),
    path("domains/<int:pk>/delete/", domains.delete, name="domain_delete"),
    path("<int:pk>/", configurations.detail, name="detail"),
    path("<int:pk>/edit/", configurations.edit, name="edit"),
    path("<int:pk>/test/", configurations.test, name="test"),
    path("<int:pk>/<slug:verb>/", configurations.act, name="act"),
]
