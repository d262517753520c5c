"""Named places where a drill may kill the process: `FAILPOINT=recorded:3` kills it at the third passing.

Nothing happens unless the environment names a place, and settings refuse the variable in production.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "FAILPOINT"


def _wanted() -> tuple[str, int]:
    name, _, nth = os.environ.get(VARIABLE, "").partition(":")
    return name, int(nth or 1)


_name, _left = _wanted()


def reached(name: str) -> None:
    """Dies here, without a goodbye, when this is the passing that the environment asks for."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
