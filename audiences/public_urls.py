"""The addresses for people outside: their preferences, and subscribing to a topic. No sign-in, no cookies."""

from django.urls import path

from audiences.views import public, webpush

app_name = "people_public"
urlpatterns = [
    path("p/<str:token>", public.preferences, name="preferences"),
    path("subscribe/<slug:workspace>/<slug:key>/", public.subscribe, name="subscribe"),
    path("c/<str:token>", public.confirm, name="confirm"),
    path("push/<int:pk>/", webpush.subscribe, name="push"),
    path("push/<int:pk>/worker.js", webpush.worker, name="push_worker"),
    path("push/<int:pk>/<str:token>/", webpush.subscribe, name="push_person"),
]
