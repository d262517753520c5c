"""The demo's addresses, included below /demo/ in demo mode only."""

from django.urls import path

from config.demo import views

app_name = "demo"
urlpatterns = [
    path("", views.people, name="people"),
    path("become/", views.become, name="become"),
    path("mailbox/", views.mailbox_list, name="mailbox"),
    path("mailbox/<slug:name>/", views.message, name="message"),
    path("mailbox/<slug:name>/html/", views.message_html, name="message_html"),
    path("mailbox/<slug:name>/text/", views.message_text, name="message_text"),
]
