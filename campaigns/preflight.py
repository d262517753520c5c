"""Writes every message of a draft before anybody gets one, and says what is wrong with whose.

`begin` notes what is asked; a worker then calls `check`. Whom it would reach comes from the statement that
the fan-out writes from. With more than MOST messages a sample stands for them, first some of each stratum: of
every content, every language and every set of missing fields that the contents name. So what one person's
data lacks is found among any number. People are read in pages, never one by one.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.access import Actor, require
from accounts.models import User
from audiences.context import COLUMNS, contexts, memberships
from campaigns import versions
from campaigns.access import MANAGE
from campaigns.delivery import fanout, ring
from campaigns.delivery.content import Letter, letter_of
from campaigns.models import Campaign, Preflight, Run, Version
from campaigns.tracking.links import addresses
from campaigns.tracking.tokens import SEEDS, MessageKey
from channels import http, mime
from channels.messages import Rendered
from channels.models import ChannelConfiguration
from channels.providers.sms_form import part_price
from channels.sandbox import RenderError
from channels.segments import segment
from common.errors import Invalid, Problem

MOST, OF_EACH, PAGE = 5_000, 20, 500
MOST_FIELDS = 30  # whose absence makes strata
HEAVY = 100 * 1024  # bytes of HTML; Gmail cuts at 102 kB
EXAMPLES, MOST_LINKS, AT_ONCE, SPAM_SECONDS = 5, 50, 5, 20
RING_AGAIN = timedelta(seconds=10)  # where nobody has begun: the bell was lost, or waits in the queue
SILENCE, TRIES = timedelta(minutes=2), 3
State = Preflight.State
ERROR, WARNING = "error", "warning"

LABELS = {
    "field_missing": gettext_lazy("A field is empty"),
    "not_written": gettext_lazy("The message cannot be written"),
    "subject_empty": gettext_lazy("The subject is empty"),
    "text_empty": gettext_lazy("The text is empty"),
    "too_heavy": gettext_lazy("More than 100 kB of HTML: Gmail cuts it off"),
    "link_broken": gettext_lazy("A link does not work"),
}
SPAM_WORDS = {
    "not_installed": gettext_lazy("SpamAssassin’s spamc is not installed here, so nothing was scored."),
    "no_answer": gettext_lazy("SpamAssassin did not answer."),
}

CHOSEN = """
WITH page AS MATERIALIZED ({people}), sent AS MATERIALIZED ({sent}), rated AS (
    SELECT s.action, s.variant, s.profile_id, s.address, count(*) OVER () AS reached,
           row_number() OVER (PARTITION BY s.action, s.variant, p.locale, {missing}
                              ORDER BY md5(s.profile_id::text)) AS place,
           row_number() OVER (ORDER BY md5(s.profile_id::text)) AS at
    FROM sent s JOIN audiences_profile p ON p.id = s.profile_id
    LEFT JOIN audiences_audiencemember am ON am.audience_id = %s AND am.profile_id = p.id
    WHERE s.reason IS NULL
)
SELECT action, COALESCE(variant, 0), profile_id, address, reached FROM rated
ORDER BY place > %s, CASE WHEN place <= %s THEN place END, at LIMIT %s
"""


@dataclass(frozen=True)
class Chosen:
    """One message that is looked at."""

    action: int
    variant: int
    profile_id: int
    address: str


@dataclass
class Found:
    """What is wrong, by kind, message and words; examples are the first people met."""

    people: dict[tuple[str, str, int, str], int] = field(default_factory=dict)
    examples: dict[tuple[str, str, int, str], list[int]] = field(default_factory=dict)
    parts: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, code: str, level: str, one: Chosen, detail: str = "") -> None:
        key = (code, level, one.action, detail[:200])
        self.people[key] = self.people.get(key, 0) + 1
        seen = self.examples.setdefault(key, [])
        if len(seen) < EXAMPLES:
            seen.append(one.profile_id)

    def rows(self) -> list[dict[str, Any]]:
        names = ("code", "level", "action", "detail")
        ordered = sorted(self.people.items(), key=lambda item: (item[0][1] != ERROR, -item[1], item[0]))
        return [
            {**dict(zip(names, key, strict=True)), "people": people, "examples": self.examples[key]}
            for key, people in ordered[:200]
        ]

    def sms(self) -> list[dict[str, int]]:
        return [
            {"action": action, "parts": parts, "people": people}
            for (action, parts), people in sorted(self.parts.items())
        ]


@transaction.atomic
def begin(campaign: Campaign, *, links: bool = False, actor: Actor, now: datetime) -> Preflight:
    """The look that is under way, or a new one. Raises Invalid where nobody can be counted."""
    require(actor, MANAGE, campaign)
    held = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=campaign.pk)
    definition = versions.definition(held)
    digest = versions.fingerprint(definition)
    under_way = held.preflights.filter(state__in=[State.WAITING, State.RUNNING], fingerprint=digest).first()
    if under_way:
        return under_way
    if definition["audience"] is None:
        detail = _("Without an audience there is nobody to look at.")
        raise Invalid(Problem("audience_missing", detail, "audience"))
    held.preflights.all().delete()  # the last one is kept, with what it was of
    row = Preflight.objects.create(
        campaign=held,
        fingerprint=digest,
        definition=definition,
        checks_links=links,
        started_by=actor if isinstance(actor, User) else None,
        created_at=now,
        moved_at=now,
    )
    audit.record(actor=actor, verb="preflight", obj=held, workspace=held.workspace, now=now, links=links)
    ring.preflight(row.pk)
    return row


def last(campaign: Campaign) -> tuple[Preflight | None, bool]:
    """The last look, and whether the campaign has changed since."""
    row = campaign.preflights.select_related("started_by").order_by("-pk").first()
    if row is None:
        return None, False
    try:
        return row, versions.fingerprint(versions.definition(campaign)) != row.fingerprint
    except Invalid:
        return row, True


def ring_again(*, now: datetime) -> None:
    """What no worker took, or whose worker is silent; given up after TRIES."""
    silent = Preflight.objects.filter(state__in=[State.WAITING, State.RUNNING], moved_at__lt=now - SILENCE)
    silent.filter(tries__gte=TRIES).update(
        state=State.FAILED, reason="worker_lost", finished_at=now, moved_at=now
    )
    silent.update(state=State.WAITING)
    for row in Preflight.objects.filter(state=State.WAITING, moved_at__lt=now - RING_AGAIN):
        Preflight.objects.filter(pk=row.pk, state=State.WAITING).update(moved_at=now)
        ring.preflight(row.pk)


def check(pk: int, *, now: datetime) -> bool:
    """Does what was asked. False when another worker has it, or it is done."""
    mine = Preflight.objects.filter(pk=pk, state=State.WAITING)
    if not mine.update(state=State.RUNNING, tries=F("tries") + 1, checked=0, moved_at=now):
        return False
    row = Preflight.objects.select_related("campaign__workspace").get(pk=pk)
    try:
        _check(row, now)
    except Invalid as error:
        row.state, row.reason = State.FAILED, str(error.detail)[:300]
    row.finished_at = row.moved_at = timezone.now()
    row.save()
    return True


def _check(row: Preflight, now: datetime) -> None:
    letters = _letters(row)
    chosen, row.reached = choose(row, letters, now)
    row.to_check = len(chosen)
    found, samples = Found(), dict[tuple[int, int], Rendered]()
    configurations = _configurations(row.definition)
    workspace_id, audience_id = row.campaign.workspace_id, row.definition["audience"]["id"]
    for start in range(0, len(chosen), PAGE):
        page = chosen[start : start + PAGE]
        ids = {one.profile_id for one in page}
        people, members = contexts(ids, workspace_id), memberships(ids, audience_id)
        for one in page:
            letter, configuration = letters[one.action, one.variant], configurations[one.action]
            values = {
                "profile": people.get(one.profile_id, {}),
                "audience": members.get(one.profile_id, {}),
            }
            message = _written(one, letter, configuration, values, found)
            if message is not None:
                samples.setdefault((one.action, one.variant), message)
        row.checked = start + len(page)
        Preflight.objects.filter(pk=row.pk).update(
            checked=row.checked, to_check=row.to_check, reached=row.reached, moved_at=timezone.now()
        )
    row.findings, row.sms = found.rows(), found.sms()
    if row.checks_links:
        row.findings += broken_links(row.definition)
    row.spam = spam_words(letters, samples, now)
    row.state = State.DONE


def _letters(row: Preflight) -> dict[tuple[int, int], Letter]:
    return {
        (action["position"], variant): letter_of(row.definition, action["position"], variant, row.campaign)
        for action in row.definition["actions"]
        for variant in range(len(action["contents"]))
    }


def _configurations(definition: dict[str, Any]) -> dict[int, ChannelConfiguration]:
    """Of each action; one that has none yet is looked at as its channel's plain one."""
    ids = [one["configuration"] for one in definition["actions"] if one["configuration"]]
    rows = ChannelConfiguration.objects.select_related("credential", "workspace").in_bulk(ids)
    return {
        one["position"]: rows.get(one["configuration"]) or ChannelConfiguration(channel=one["channel"])
        for one in definition["actions"]
    }


# ---- whom ----------------------------------------------------------------------------------------
def fields_of(letter: Letter) -> set[tuple[str, str]]:
    """What the content reads of a person, and of a member, as (root, key)."""
    paths = (name.split(".") for name in letter.compiled.names)
    return {(path[0], path[1]) for path in paths if path[0] in ("profile", "audience") and len(path) > 1}


def choose(row: Preflight, letters: dict[tuple[int, int], Letter], now: datetime) -> tuple[list[Chosen], int]:
    """Who is looked at, and how many messages would leave."""
    version = Version(campaign=row.campaign, definition=row.definition)
    run = Run(campaign=row.campaign, version=version, due_at=now)
    people, sent = fanout.statement(run, now)
    named = sorted(set().union(*(fields_of(one) for one in letters.values())))[:MOST_FIELDS]
    own = [name for root, name in named if root == "profile" and name in COLUMNS]
    tests = [f"COALESCE(p.{name}, '') = ''" for name in own]
    keys = []
    for root, name in named:
        if root == "audience" or name not in COLUMNS:
            holder = "am.fields" if root == "audience" else "p.attributes"
            tests.append(f"COALESCE({holder}->>%s, '') = ''")
            keys.append(name)
    missing = f"ARRAY[{', '.join(tests)}]::boolean[]"
    query = CHOSEN.format(people=people.sql, sent=sent.sql, missing=missing)
    limits = (OF_EACH, OF_EACH, MOST)
    with connection.cursor() as cursor:
        cursor.execute(
            query, (*people.params, *sent.params, *keys, row.definition["audience"]["id"], *limits)
        )
        rows = cursor.fetchall()
    return [Chosen(*found[:4]) for found in rows], int(rows[0][4]) if rows else 0


def costs(row: Preflight) -> dict[str, Decimal]:
    """What its SMS cost by currency, where their configurations say what a part costs. What a sample costs is
    held for all whom it stands for.
    """
    found: dict[str, Decimal] = {}
    configurations = _configurations(row.definition)
    for one in row.sms:
        if price := part_price(configurations[one["action"]]):
            amount, currency = price
            cost = amount * one["parts"] * one["people"] * row.reached / max(row.checked, 1)
            found[currency] = found.get(currency, Decimal(0)) + cost
    return {currency: cost.quantize(Decimal("0.01")) for currency, cost in found.items()}


# ---- what is wrong -------------------------------------------------------------------------------
def _written(
    one: Chosen,
    letter: Letter,
    configuration: ChannelConfiguration,
    values: dict[str, dict[str, Any]],
    found: Found,
) -> Rendered | None:
    for root, name in sorted(fields_of(letter)):
        if values[root].get(name, "") in ("", None):
            found.add("field_missing", WARNING, one, name if root == "profile" else f"{root}.{name}")
    try:
        message = letter.write(
            MessageKey(0, one.action, SEEDS),
            one.address or "",
            profile_id=one.profile_id,
            profile=values["profile"],
            audience=values["audience"],
            context={},
            configuration=configuration,
        )
    except (RenderError, Invalid) as error:
        code = error.code if error.code in LABELS else "not_written"
        found.add(code, ERROR, one, str(error.detail) if code == "not_written" else "")
        return None
    if letter.channel == "email" and _is_heavy(message):
        found.add("too_heavy", WARNING, one)
    if letter.channel == "sms":
        key = (one.action, len(segment(message.text).parts))
        found.parts[key] = found.parts.get(key, 0) + 1
        if not message.text.strip():
            found.add("text_empty", ERROR, one)
    return message


def _is_heavy(message: Rendered) -> bool:
    return len(message.html.encode()) > HEAVY


def broken_links(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """Each address once, at most MOST_LINKS of them, AT_ONCE at a time; a redirect is an answer."""
    where: dict[str, int] = {}
    for action in definition["actions"]:
        for one in action["contents"]:
            for url in addresses(one["content"].get("html", "")):
                where.setdefault(url, action["position"])
    urls = list(where)[:MOST_LINKS]
    return [
        {
            "code": "link_broken",
            "level": WARNING,
            "action": where[url],
            "detail": f"{url}: {words}"[:300],
            "people": 0,
            "examples": [],
        }
        for url, words in asyncio.run(_ask(urls))
    ]


async def _ask(urls: Iterable[str]) -> list[tuple[str, str]]:
    client, gate = http.Client(), asyncio.Semaphore(AT_ONCE)

    async def ask(url: str) -> tuple[str, str]:
        async with gate:
            try:
                answer = await client.exchange(http.Request("HEAD", url))
                if answer.status in (403, 405, 501):  # some answer a GET only
                    answer = await client.exchange(http.Request("GET", url))
            except http.Failure as error:
                return url, error.detail
        return url, "" if answer.status < 400 else f"HTTP {answer.status}"

    try:
        return [(url, words) for url, words in await asyncio.gather(*map(ask, urls)) if words]
    finally:
        await client.close()


def spam_words(
    letters: dict[tuple[int, int], Letter], samples: dict[tuple[int, int], Rendered], now: datetime
) -> str:
    """The highest score that SpamAssassin gives to one mail of each content, or why there is none."""
    mails = [message for place, message in samples.items() if letters[place].channel == "email"]
    if not mails:
        return ""
    program = shutil.which("spamc")
    if program is None:
        return "not_installed"
    scores = list(_scores(program, mails, now))
    return max(scores, key=lambda words: float(words.partition("/")[0])) if scores else "no_answer"


def _scores(program: str, mails: Iterable[Rendered], now: datetime) -> Iterator[str]:
    """Such as `2.1/5.0`. `spamc -c` prints 0/0 where no daemon answers."""
    for mail in mails:
        try:
            done = subprocess.run(
                [program, "-c", "-t", str(SPAM_SECONDS)],
                input=mime.build(mail, now=now),
                capture_output=True,
                timeout=SPAM_SECONDS + 5,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError):
            continue
        words = done.stdout.decode("ascii", "replace").strip()
        if words and words != "0/0":
            yield words
