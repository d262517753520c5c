"""The table of the targets: what each figure must and should be, printed, and kept in build/bench.json.

Every benchmark adds its own figures to the file; what becomes of killed workers is read from the drill's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import mailtools

BUILD = Path(__file__).resolve().parents[2] / "build"
# must, aim, and whether more is better
PIPELINE: dict[str, tuple[float, float, bool]] = {
    "pipeline_to_smtp_source": (0.50, 0.80, True),
    "pipeline_to_post_office": (6, 10, True),
    "second_worker_gain": (1.0, 1.5, True),
    "cpu_to_smtp_source": (4, 2.5, False),
    "cpu_growth_10x": (10.5, 10.2, False),
    "peak_rss_mb": (150, 100, False),
    "rss_growth_mb": (10, 2, False),
    "snapshot_to_bare_insert": (1.6, 1.1, False),
    "wal_bytes_per_message": (450, 300, False),
    "queue_share_percent": (2, 0.5, False),
}
TRIGGERED: dict[str, tuple[float, float, bool]] = {
    "accept_to_empty_view": (0.20, 0.40, True),
    "high_throughput_to_empty_view": (1.0, 3.0, True),
    "accept_p99_to_empty_view": (5, 3, False),
    "triggered_p50_ms": (100, 30, False),
    "triggered_p99_ms": (500, 150, False),
    "triggered_p99_beside_run": (2, 1.3, False),
}
TARGETS: dict[str, tuple[float, float, bool]] = {
    **PIPELINE,
    **TRIGGERED,
    "sender_to_smtp_source": (1.0, 1.5, True),
    "share_of_ideal_at_20_ms": (0.45, 0.88, True),
    "rendering_to_plain_jinja": (5, 3, False),
    "lost_after_kill": (0, 0, False),
    "duplicates_to_bound": (1, 1, False),
}


def report(found: Mapping[str, float]) -> int:
    """Prints and keeps them; 1 when one misses what it must be."""
    print(mailtools.machine())
    rows = {name: _row(name, value) for name, value in {**found, **_drilled()}.items()}
    path = BUILD / "bench.json"
    path.parent.mkdir(exist_ok=True)
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**kept, **rows}, indent=2))
    return 0 if all(row.get("reached") != "no" for row in rows.values()) else 1


def _row(name: str, value: float) -> dict[str, Any]:
    row: dict[str, Any] = {"value": round(value, 3)}
    text = ""
    if name in TARGETS:
        must, aim, is_more = TARGETS[name]
        good = [value >= one if is_more else value <= one for one in (must, aim)]
        reached = "aim" if good[1] else "must" if good[0] else "no"
        row |= {"must": must, "aim": aim, "reached": reached}
        text = f"must {must:>6}  aim {aim:>6}  reached: {reached}"
    print(f"{name:28} {value:>10.3f}  {text}")
    return row


def _drilled() -> dict[str, float]:
    """Of the last drill: who was lost, and the copies of the run that came nearest to its bound."""
    path = BUILD / "drill.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    if not rows:
        return {}
    lost = {row["run"]: row["lost"] for row in rows}
    nearest = max(row["run_duplicates"] / (row["run_bound"] or 1) for row in rows)
    return {"lost_after_kill": sum(lost.values()), "duplicates_to_bound": nearest}
