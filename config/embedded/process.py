"""What the embedded servers share: one owner at a time, a private place, an end with their owner.

A server belongs to the command that holds its lock. Whoever finds the lock taken joins the running
server and leaves it running; whoever gets the lock ends what a killed owner left behind and starts
afresh. The kernel ends a server whose owner dies without saying goodbye.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

SOCKET_PATH_LIMIT = 85  # a socket's whole path may have 107 bytes; this leaves room for its name
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class ServerError(Exception):
    """An embedded server cannot be started; the text says why, with the end of its log."""


def digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def make_directory(path: Path, mode: int) -> Path:
    """`path`, made with `mode` if it was not there; what was there keeps its mode."""
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(mode)
    return path


def die_with_parent(farewell: signal.Signals) -> Callable[[], None]:
    """What a new process does before it becomes another program: ask for `farewell` when we die."""
    parent = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        LIBC.prctl(PR_SET_PDEATHSIG, int(farewell))
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return prepare


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    account: pwd.struct_passwd | None = None,
    farewell: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches us and not it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent(farewell),
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


def tail(log: Path, size: int = 2000) -> str:
    return log.read_bytes()[-size:].decode(errors="replace") if log.exists() else ""


class Server(ABC):
    """A server on a Unix socket below `data`. `start` may be called again after it died."""

    name: ClassVar[str]
    variable: ClassVar[str]
    """The environment variable that carries `url`."""
    farewell: ClassVar[signal.Signals] = signal.SIGTERM
    account: pwd.struct_passwd | None = None

    def __init__(self, data: Path) -> None:
        self.data = make_directory(data.absolute(), 0o755)
        self.directory = self.data / self.name
        self.log = make_directory(self.data / "logs", 0o755) / f"{self.name}.log"
        self.pid_file = self.data / f"{self.name}.pid"
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    @abstractmethod
    def url(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str | Path]: ...

    @abstractmethod
    def answers(self) -> bool: ...

    def prepare(self) -> None:
        self.claim(self.directory)
        self.claim(self.sockets)

    def finish(self) -> None:  # noqa: B027  most servers have nothing to do
        """What is to be done once, when the server first answers."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    @property
    def sockets(self) -> Path:
        """Where the socket lies: beside the data, or in /tmp when that path is too long for a socket."""
        path = str(self.directory)
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(path):
            return self.directory
        return Path("/tmp") / f"carillon-{self.name}-{digest(self.directory)}"  # noqa: S108  claim() checks its owner

    def claim(self, directory: Path) -> None:
        """Make `directory` ours alone, and refuse one that somebody else laid there."""
        owner = self.account.pw_uid if self.account else os.geteuid()
        if directory.is_symlink():
            raise ServerError(f"{directory} is a symbolic link; remove it.")
        make_directory(directory, 0o700)
        if directory.stat().st_uid not in (owner, os.geteuid()):
            raise ServerError(f"{directory} belongs to somebody else.")
        if self.account and directory.stat().st_uid != owner:
            os.chown(directory, owner, self.account.pw_gid)

    def start(self, patience: float = 60) -> str:
        """Start, or join the server another command runs here. Returns the address."""
        deadline = time.monotonic() + patience
        while not self.take_lock():
            if self.answers():
                return self.url
            if time.monotonic() > deadline:
                raise ServerError(f"Another command holds {self.data} but its {self.name} does not answer.")
            time.sleep(0.1)
        self.end_leftover()
        self.prepare()
        self.launch(deadline)
        self.finish()
        return self.url

    def launch(self, deadline: float) -> None:
        """Start until it answers. A server just killed leaves children that hold its memory a moment."""
        last_try = time.monotonic() + 10
        while True:
            self.process = spawn(
                self.command(),
                log=self.log,
                cwd=self.directory,
                environment=self.environment,
                account=self.account,
                farewell=self.farewell,
            )
            self.pid_file.write_text(str(self.process.pid))
            while self.process.poll() is None:
                if self.answers():
                    return
                if time.monotonic() > deadline:
                    self.stop()
                    raise ServerError(f"{self.name} did not answer in time.\n{tail(self.log)}")
                time.sleep(0.02)
            if time.monotonic() > last_try:
                self.stop()
                raise ServerError(f"{self.name} does not start.\n{tail(self.log)}")
            time.sleep(0.3)

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Stop what `start` started; a server that was only joined is left running."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.farewell)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self._lock is not None:
            self.pid_file.unlink(missing_ok=True)
            self._lock.close()
        self.process = self._lock = None

    def erase(self) -> None:
        """Remove the data. Raises ServerError while a command uses it."""
        if not self.take_lock():
            raise ServerError(f"{self.data} is in use; stop the command that runs there first.")
        self.end_leftover()
        for directory in {self.directory, self.sockets}:
            shutil.rmtree(directory, ignore_errors=True)
        self.stop()

    def take_lock(self) -> bool:
        if self._lock is None:
            lock = (self.data / f"{self.name}.lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return False
            self._lock = lock
        return True

    def end_leftover(self) -> None:
        """We hold the lock, so whatever still runs here has lost its owner."""
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return
        for number, patience in ((self.farewell, 20), (signal.SIGKILL, 5)):
            ends = time.monotonic() + patience
            if self.runs_here(pid):
                os.kill(pid, number)
            while self.runs_here(pid) and time.monotonic() < ends:
                time.sleep(0.05)

    def runs_here(self, pid: int) -> bool:
        """Whether `pid` is our server and not a stranger who was given an old number."""
        try:
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(self.directory.resolve())
        except OSError:
            return False
