"""Which opens and clicks were made by machines: the rules, in one table with a version.

The event keeps the signals (program, HEAD, prefetch, time, link), so that a new version of the rules can
judge old events again: `manage.py judge_machines --all`. What one request shows is judged at the door. What
only its neighbours show (how soon after the message left, several links at once, the link that nobody sees)
is judged for a page of events at a time, a minute later. The first rule that holds names the machine.

Apple Mail Privacy Protection loads pictures through a proxy that calls itself `Mozilla/5.0` and nothing else,
whether or not anybody reads the mail: such an open says nothing. The proxies of Gmail and Yahoo load a
picture when somebody looks at the mail: they hide the device, but a person was there, so they are people here
unless they come within a second of sending.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import IntegerChoices
from django.utils.translation import gettext_lazy as _

VERSION = 2  # one more with every change of the rules
LAG = timedelta(minutes=1)
PAGE = 5000


class Signal(IntegerChoices):
    """Bits of Event.signals."""

    HEAD = 1
    PREFETCH = 2
    TRAP = 4


class Program(NamedTuple):
    """A pattern of programs, the same for Python and PostgreSQL, case ignored."""

    machine: str
    pattern: str
    only: str = ""  # the one kind of event the rule is for


PROGRAMS = (
    Program("apple", r"^Mozilla/5\.0$", only="open"),
    Program(
        "scanner",
        r"(barracuda|mimecast|proofpoint|symantec|messagelabs|fireeye|trendmicro|sophos|cloudmark|forcepoint"
        r"|checkpoint|fortinet|safelinks|existence discovery|urldefense|zgrab|virustotal)",
    ),
    Program(
        "preview",
        r"(facebookexternalhit|line-poker|whatsapp/|telegrambot|slackbot|twitterbot|linkedinbot|skypeuripreview"
        r"|discordbot|google-read-aloud|googleother)",
    ),
    Program(
        "robot",
        r"((?<!cu)bot[/ ;)]|(?<!cu)bot$|crawler|spider|headlesschrome|phantomjs|^curl/|^wget/"
        r"|python-requests|python-urllib|aiohttp|go-http-client|^java/|apache-httpclient|libwww-perl|^okhttp/|^axios/|^node-fetch)",
    ),
)
SOON = 1  # seconds after the provider took the message
AT_ONCE, WITHIN = 3, 5  # so many different links of one message within so many seconds
# The number of the link in a message that nobody sees: who follows it follows every link there is, and so are
# the clicks of the same message within so many seconds a program's.
TRAP, AROUND = 32767, 10

LABELS = {
    "head": _("Only asked whether the address exists (HEAD)"),
    "prefetch": _("Fetched ahead by a program"),
    "apple": _("Apple Mail Privacy Protection"),
    "scanner": _("Security scanner"),
    "preview": _("Preview of a chat program or network"),
    "robot": _("Robot or script"),
    "soon": _("Within a second of sending"),
    "at_once": _("Several links within five seconds"),
    "trap": _("Followed a link that no person sees"),
}


def at_door(kind: str, agent: str, signals: int) -> str:
    """The machine one request shows itself to be; empty for a person, as far as it can be told."""
    if signals & Signal.HEAD:
        return "head"
    if signals & Signal.PREFETCH:
        return "prefetch"
    if signals & Signal.TRAP:
        return "trap"
    for rule in PROGRAMS:
        if rule.only in ("", kind) and re.search(rule.pattern, agent, re.IGNORECASE):
            return rule.machine
    return ""


JUDGE = """
WITH due AS MATERIALIZED (
    SELECT * FROM campaigns_event
    WHERE kind IN ('open', 'click') AND id > %(after)s AND {which}
      AND (at <= %(until)s OR at > %(until)s + interval '1 hour')  -- a clock that is wrong holds up nobody
    ORDER BY id LIMIT %(page)s
), judged AS (
    SELECT d.id, d.at, CASE
        WHEN d.signals & 1 <> 0 THEN 'head'
        WHEN d.signals & 2 <> 0 THEN 'prefetch'
        WHEN d.signals & 4 <> 0 THEN 'trap'
        {programs}
        WHEN EXISTS (
            SELECT 1 FROM campaigns_attempt a WHERE a.run_id = d.run_id AND a.action = d.action
            AND a.ref = d.ref AND a.outcome = 'accepted' AND d.at < a.at + make_interval(secs => %(soon)s)
        ) THEN 'soon'
        WHEN d.kind = 'click' AND %(at_once)s <= (
            SELECT count(DISTINCT e.link) FROM campaigns_event e WHERE e.run_id = d.run_id
            AND e.kind = 'click' AND e.action = d.action AND e.ref = d.ref
            AND e.at BETWEEN d.at - make_interval(secs => %(within)s)
                         AND d.at + make_interval(secs => %(within)s)
        ) THEN 'at_once'
        WHEN d.kind = 'click' AND EXISTS (
            SELECT 1 FROM campaigns_event e WHERE e.run_id = d.run_id AND e.kind = 'click'
            AND e.action = d.action AND e.ref = d.ref AND e.link = %(trap)s
            AND e.at BETWEEN d.at - make_interval(secs => %(around)s)
                         AND d.at + make_interval(secs => %(around)s)
        ) THEN 'trap'
        ELSE '' END AS machine
    FROM due d
), written AS (
    UPDATE campaigns_event e SET machine = j.machine, judged = %(version)s FROM judged j
    WHERE e.id = j.id AND e.at = j.at
)
SELECT count(*), max(id) FROM judged
"""


def judge(*, now: datetime, everything: bool = False) -> int:
    """Judges what no rule has seen yet, or everything again by the rules of today; returns how many."""
    values: dict[str, Any] = {
        "after": 0,
        "until": now if everything else now - LAG,
        "page": PAGE,
        "soon": SOON,
        "at_once": AT_ONCE,
        "within": WITHIN,
        "trap": TRAP,
        "around": AROUND,
        "version": VERSION,
    }
    programs = ""
    for place, rule in enumerate(PROGRAMS):
        values |= {
            f"pattern{place}": rule.pattern,
            f"machine{place}": rule.machine,
            f"only{place}": rule.only,
        }
        programs += (
            f"WHEN d.user_agent ~* %(pattern{place})s AND %(only{place})s IN ('', d.kind) "
            f"THEN %(machine{place})s\n"
        )
    statement = JUDGE.format(which="true" if everything else "judged = 0", programs=programs)
    total = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            count, last = cursor.fetchone()
        total += int(count)
        if count < PAGE:
            return total
        values["after"] = last
