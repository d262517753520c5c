"""`python -m config.embedded run --data DIR -- COMMAND…`: run a command with servers of its own.

DATABASE_URL and BROKER_URL are set for the command; a server whose variable is already set is not
started. Signals are passed on, the command's exit code is ours, and what was started is stopped.
`erase --data DIR` removes the data.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from config.embedded.postgres import Postgres
from config.embedded.process import Server, ServerError, die_with_parent
from config.embedded.valkey import Valkey
from config.embedded.wanted import wanted

FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        return erase(options.data) if options.verb == "erase" else run(options)
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("run", "erase"):
        verbs.add_parser(verb).add_argument("--data", type=Path, required=True, metavar="DIR")
    running = verbs.choices["run"]
    running.add_argument(
        "--volatile", action="store_true", help="faster, for tests: a power cut loses the data"
    )
    running.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    # Blocked, not handled: a signal that comes while a server starts waits until the command runs.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    started: list[Server] = []
    environment = dict(os.environ)
    try:
        for server in wanted(os.environ, options.data, durable=not options.volatile):
            started.append(server)
            environment[server.variable] = server.start()
        return attend(options.command, environment)
    finally:
        for server in reversed(started):
            server.stop()


def attend(command: list[str], environment: dict[str, str]) -> int:
    """Run the command to its end, handing on the signals that reach only us."""
    try:
        child = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent(signal.SIGTERM))
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    while child.poll() is None:
        info = signal.sigtimedwait({*FORWARDED, signal.SIGCHLD}, 1)
        # A positive code means the terminal sent it, to the command as well as to us.
        if info and info.si_signo in FORWARDED and info.si_code <= 0:
            child.send_signal(info.si_signo)
    code = child.returncode
    return code if code >= 0 else 128 - code


def erase(data: Path) -> int:
    if not data.exists():
        return 0
    if not (data / "postgres.lock").exists() and not (data / "valkey.lock").exists():
        raise ServerError(f"{data} holds no embedded server's data; nothing was removed.")
    for server in (Postgres(data), Valkey(data)):
        server.erase()
    shutil.rmtree(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
