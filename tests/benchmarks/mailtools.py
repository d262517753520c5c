"""Postfix's yardsticks, smtp-source and smtp-sink: found on the PATH, or in SMTP_TOOLS (a directory).

Debian's package has both; it can be unpacked without starting a daemon:
`apt-get download postfix && dpkg -x postfix_*.deb DIR`, then SMTP_TOOLS=DIR/usr/sbin.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def found(name: str) -> str | None:
    places = [os.environ.get("SMTP_TOOLS", ""), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which(name, path=os.pathsep.join(filter(None, places)))


def environment(tool: str) -> dict[str, str]:
    """With the libraries beside it, where the package was only unpacked."""
    libraries = Path(tool).parents[1] / "lib" / "postfix"
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else dict(os.environ)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def sink(*options: str) -> Iterator[int]:
    """A server that takes everything and keeps nothing, on the port given."""
    tool, port = found("smtp-sink"), free_port()
    if tool is None:
        raise SystemExit("smtp-sink is missing: install Debian's postfix, or unpack it and set SMTP_TOOLS")
    who = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [tool, *who, *options, f"127.0.0.1:{port}", "200"]
    with _serving(command, port, environment(tool)):
        yield port


@contextmanager
def late_sink(seconds: float) -> Iterator[int]:
    """One that answers late; smtp-sink waits in whole seconds only."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.latesink", str(port), str(seconds)]
    with _serving(command, port, dict(os.environ)):
        yield port


@contextmanager
def _serving(command: list[str], port: int, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    try:
        _await(port, process)
        yield
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _try in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("the server does not start")


def source(port: int, *, messages: int, size: int, sessions: int) -> tuple[float, float]:
    """Wall and CPU seconds of smtp-source for so many messages over kept connections."""
    tool = found("smtp-source")
    if tool is None:
        raise SystemExit("smtp-source is missing: install Debian's postfix, or unpack it and set SMTP_TOOLS")
    command = [tool, "-d", "-s", str(sessions), "-l", str(size), "-m", str(messages)]
    command += ["-f", "a@fernhill.example", "-t", "b@example.com", f"127.0.0.1:{port}"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment(tool), check=True)
    taken, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine() -> str:
    """What the machine did since it started, to judge how much of it was ours."""
    stat = re.match(r"cpu +([\d ]+)", Path("/proc/stat").read_text()) if Path("/proc/stat").exists() else None
    ticks = [int(one) for one in stat.group(1).split()] if stat else [0] * 8
    return f"{os.cpu_count()} cores, steal {100 * ticks[7] / max(sum(ticks), 1):.0f} % since start"
