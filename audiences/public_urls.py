"""The addresses for people outside: their preferences, and subscribing to a topic. No sign-in, no cookies."""

from django.urls import path

from audiences.views import public

app_name = "people_public"
urlpatterns = [
    path("p/<str:token>", public.preferences, name="preferences"),
]
