"""The addresses at which providers tell us things, and devices fetch their person's inbox."""

from __future__ import annotations

from django.urls import path

from channels.views import hooks, inbox

app_name = "hooks"
urlpatterns = [
    path("hooks/<int:pk>/", hooks.receipts, name="receipts"),
    path("hooks/<int:pk>/<path:rest>", hooks.receipts, name="receipts_below"),
    path("inbox/<int:pk>/", inbox.items, name="inbox"),
    path("inbox/<int:pk>/<int:item>/", inbox.act, name="inbox_item"),
]
