"""Places each person of a run: in which wave, and at which hour, as SQL over the fan-out's page.

`place` numbers who is reached. Percent and equal waves take their people evenly out of the whole order, so
that each wave is like the audience; waves by number take them one after the other, and who is left over gets
nothing. Everybody's own time zone comes down to a few moments, for many zones share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from audiences.models import Profile
from audiences.query import Query
from campaigns import schedule, waves
from campaigns.models import Message, Run
from campaigns.waves import Wave

NO_WAVE = "no_wave"  # ours: more people than the waves take
SPREAD = 61  # shares no factor with 100: every run of places holds near its percent of each wave


@dataclass(frozen=True)
class Places:
    """`moments` and `zones` are empty where everybody has the same hour, `planned` has one wave then too."""

    planned: list[Wave]
    moments: list[datetime]
    zones: dict[str, int]
    before: int

    def numbered(self, people: Query, is_reached: str) -> Query:
        """The page's rows with `place`, which counts those who are reached."""
        count = f"count(*) FILTER (WHERE {is_reached}) OVER (ORDER BY profile_id ROWS UNBOUNDED PRECEDING)"
        head = Query(f"SELECT x.*, {count} - 1 + %s AS place FROM (", (self.before,))
        return head + people + Query(") x")

    def wave(self) -> str:
        """An expression over `place`; NULL for who is in none."""
        if len(self.planned) == 1:
            return "0"
        if self.planned[0].count is not None:
            ends = accumulate(wave.count or 0 for wave in self.planned)
            return f"(CASE {' '.join(f'WHEN place < {end} THEN {at}' for at, end in enumerate(ends))} END)"
        if len({wave.share for wave in self.planned}) == 1:
            return f"(place %% {len(self.planned)})"
        shares = accumulate(int(100 * (wave.share or 0)) for wave in self.planned)
        cases = " ".join(f"WHEN place * {SPREAD} %% 100 < {end} THEN {at}" for at, end in enumerate(shares))
        return f"(CASE {cases} ELSE {len(self.planned) - 1} END)"

    def hour(self) -> Query:
        """The number of the person's moment, over their `zone`."""
        if not self.zones:
            return Query("0")
        found = Query("(CASE zone ")
        for name, at in self.zones.items():
            found += Query(f"WHEN %s THEN {at} ", (name,))
        return found + Query("ELSE 0 END)")

    def send_after(self, run: Run, now: datetime) -> Query:
        """The moment, over `wave` and `hour`; what is past goes at once."""
        begins = self.planned[0].starts_at
        offsets = [wave.starts_at - begins for wave in self.planned]
        moments = self.moments or [max(run.due_at, begins)]
        sql = "GREATEST(%s, (%s::timestamptz[])[hour + 1] + (%s::interval[])[COALESCE(wave, 0) + 1])"
        return Query(sql, (now, moments, offsets))

    def slot(self) -> str:
        """A number that no other wave or hour has; even, so that a batch without a variant has its own."""
        return f"2 * (hour * {len(self.planned)} + COALESCE(wave, 0))"


def of(run: Run) -> Places:
    definition = run.version.definition
    planned = waves.plan(definition, run)
    table = schedule.of_version(definition)
    moments: list[datetime] = []
    zones: dict[str, int] = {}
    if table.per_person and run.wall_clock:
        moments = [schedule.local_send_at(definition, run, "")]
        people = Profile.objects.filter(workspace=run.campaign.workspace_id).exclude(time_zone="")
        for name in people.order_by("time_zone").values_list("time_zone", flat=True).distinct():
            at = schedule.local_send_at(definition, run, name)
            if at not in moments:
                moments.append(at)
            zones[name] = moments.index(at)
    return Places(planned, moments, zones, _placed(run) if planned[0].count is not None else 0)


def _placed(run: Run) -> int:
    """How many people earlier pages have reached; none, where the run is only foreseen."""
    return Message.objects.filter(run=run.pk, slot__gte=0).values("ref").distinct().count()
