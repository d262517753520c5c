"""Structured logs: one JSON object a line in production, readable lines on a developer's machine.

Nothing personal is logged: rows are named by their ids.
"""

from __future__ import annotations

import re
from typing import Any

import structlog

# What an address may hold of a person: an identity, a signed link, what was searched for.
PERSONAL = re.compile(
    r"""(/api/profiles/(?:\d+/identities/)?[a-z_]\w*/|(?<![\w/])/(?:p|c|u|t/[co])/|[?&](?:search|profile)=)"""
    r"""[^\s?&"']+"""
)


def without_people(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Django logs the address of a refused request; here it loses what names a person."""
    if isinstance(event.get("event"), str):
        event["event"] = PERSONAL.sub(r"\1…", event["event"])
    return event


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configuration(*, pretty: bool) -> dict[str, Any]:
    """The value of Django's LOGGING; also sets structlog up to write through it."""
    structlog.configure(
        processors=[
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # No values of variables: they hold addresses, bodies and secrets.
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = [] if pretty else [structlog.processors.ExceptionRenderer(frames)]
    lines = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    last = lines if pretty else structlog.processors.JSONRenderer()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *tracebacks,
                    last,
                ],
                "foreign_pre_chain": [*SHARED, without_people],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            "celery.app.trace": {"level": "WARNING"},
        },
    }
