"""The addresses of the channels pages."""

from __future__ import annotations

from django.urls import path

from channels.views import configurations

app_name = "channels"
urlpatterns = [
    path("", configurations.show_list, name="list"),
    path("new/", configurations.create, name="create"),
    path("<int:pk>/", configurations.detail, name="detail"),
    path("<int:pk>/edit/", configurations.edit, name="edit"),
    path("<int:pk>/test/", configurations.test, name="test"),
    path("<int:pk>/<slug:verb>/", configurations.act, name="act"),
]
