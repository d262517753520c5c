"""The addresses of the channels pages."""

from __future__ import annotations

from django.urls import path

from channels import views

app_name = "channels"
urlpatterns = [
    path("", views.show_list, name="list"),
    path("new/", views.create, name="create"),
    path("<int:pk>/", views.edit, name="edit"),
    path("<int:pk>/test/", views.test, name="test"),
    path("<int:pk>/<slug:verb>/", views.act, name="act"),
]
