"""The REST addresses about people, below /api/."""

from django.urls import URLPattern

app_name = "people_api"
urlpatterns: list[URLPattern] = []
