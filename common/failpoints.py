"""Named places where a drill may kill the process: `FAILPOINT=recorded:3` kills it at the third passing.

Nothing happens unless the setting names a place, and it cannot be set in production (config/env.py).
"""

from __future__ import annotations

import os
import signal

from django.conf import settings

_passed: dict[str, int] = {}


def reached(name: str) -> None:
    """Dies here, without a goodbye, when this is the passing that the setting asks for."""
    wanted, _, nth = settings.FAILPOINT.partition(":")
    if name != wanted:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
