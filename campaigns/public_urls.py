"""The addresses in our messages. They never redirect: the settings exempt them (SECURE_REDIRECT_EXEMPT)."""

from django.urls import path

from campaigns.views import calendar, public

app_name = "tracking"
urlpatterns = [
    path("t/c/<str:token>/<int:number>", public.click, name="click"),
    path("t/calendar/<str:token>.ics", calendar.feed, name="calendar_feed"),
    path("t/c/<str:token>/<int:number>/<str:sealed>", public.click, name="click_sealed"),
    path("t/o/<str:token>.gif", public.opened, name="open"),
    path("t/m/<str:token>", public.mirror, name="mirror"),
    path("assets/<str:token>/<int:width>/<str:name>", public.asset_copy, name="asset_copy"),
    path("assets/<str:token>/<str:name>", public.asset, name="asset"),
    path("u/<str:token>", public.unsubscribe, name="unsubscribe"),
]
