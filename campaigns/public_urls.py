"""The addresses in our messages. They never redirect: the settings exempt them (SECURE_REDIRECT_EXEMPT)."""

from django.urls import path

from campaigns.views import public

app_name = "tracking"
urlpatterns = [
    path("t/c/<str:token>/<int:number>", public.click, name="click"),
    path("t/o/<str:token>.gif", public.opened, name="open"),
    path("u/<str:token>", public.unsubscribe, name="unsubscribe"),
]
