"""A process that dies in the middle of something, as kill -9 would end it; a fork of the test's own, so that
no program has to be started for it.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable

from django.conf import settings
from django.db import connection

from common import failpoints


def dies(what: Callable[[], object]) -> None:
    """Does it in a process of its own, which must not live to see the end of it."""
    connection.close()  # whoever shared it would say goodbye for both
    child = os.fork()
    if not child:
        try:
            what()
        except BaseException:  # told here, as nothing of the test's may go on
            traceback.print_exc()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def dies_at(place: str, what: Callable[[], object]) -> None:
    """At the failpoint, as `place:3` at its third passing."""

    def until_there() -> None:
        failpoints._passed.clear()
        settings.FAILPOINT = place
        what()

    dies(until_there)
