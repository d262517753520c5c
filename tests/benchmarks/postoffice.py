"""Messages a second of django-post-office: queued and sent to the end by so many processes, into our sink.

Not a dependency: it stands in an environment of its own, whose Python POST_OFFICE names.
`python -m venv DIR && DIR/bin/pip install django-post-office psycopg[binary]` makes one for
POST_OFFICE=DIR/bin/python.
This file is run by that Python as well, which has nothing of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any


def rate(port: int, *, html: str, text: str, messages: int, processes: int) -> float | None:
    """None where it is not installed. The texts are templates over `profile`, with ten values."""
    python = os.environ.get("POST_OFFICE")
    if not python:
        return None
    told = {"port": port, "html": html, "text": text, "messages": messages, "processes": processes}
    ran = subprocess.run(
        [python, __file__], input=json.dumps(told), stdout=subprocess.PIPE, text=True, check=True
    )
    return messages / float(ran.stdout)


def main() -> None:
    given = json.loads(sys.stdin.read())
    _set_up(given["port"])
    from django.core.management import call_command
    from django.db import connection
    from post_office import mail  # type: ignore[import-not-found]
    from post_office.models import Email, EmailTemplate  # type: ignore[import-not-found]

    call_command("migrate", verbosity=0)
    Email.objects.all().delete()
    template = EmailTemplate.objects.create(
        name=f"news {time.time()}",
        subject="News for {{ profile.v0 }}",
        html_content=given["html"],
        content=given["text"],
    )
    began = time.perf_counter()
    mail.send_many(
        {
            "recipients": [f"p{n}@example.com"],
            "sender": "a@fernhill.example",
            "template": template,
            "context": _context(n),
            "render_on_delivery": True,
        }
        for n in range(given["messages"])
    )
    sent = 0
    while sent < given["messages"]:
        some, failed, again = mail.send_queued(processes=given["processes"], log_level=0)
        connection.close()  # its children had it too, and ended it
        sent += some
        if failed or again or not some:
            raise SystemExit(f"{sent} sent, {failed} failed, {again} to be tried again")
    print(time.perf_counter() - began)


def _context(n: int) -> dict[str, Any]:
    leave = f"https://news.example/u/{n}"
    return {"profile": {f"v{one}": f"林 {one} {n}" for one in range(10)}, "unsubscribe_url": leave}


def _set_up(port: int) -> None:
    import django
    from django.conf import settings
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(os.environ["DATABASE_URL"])
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    database = {ours: parts.get(theirs, "") for ours, theirs in names.items()}
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **database}},
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        USE_TZ=True,
        POST_OFFICE={
            "BATCH_SIZE": 1000,
            "BACKENDS": {"default": smtp},
        },
    )
    django.setup()


if __name__ == "__main__":
    main()
