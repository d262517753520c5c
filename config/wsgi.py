"""The web server's entry."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections

from config.celery import app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()


def _limit_waiting() -> None:
    """Who asks for a page or by the API hears 503 when somebody holds what they need, and waits no longer.
    A worker has nobody who waits for it, and may.
    """
    options = connections.settings["default"]["OPTIONS"]
    options["options"] = f"{options.get('options', '')} -c lock_timeout={settings.WEB_LOCK_SECONDS}s".strip()


def _load_the_bell() -> None:
    """The first bell would load this while somebody waits, and what is rung meanwhile be taken for too much.
    Nobody is connected to.
    """
    app.finalize(auto=True)
    _loaded = app.connection_for_write().transport


_limit_waiting()
_load_the_bell()
