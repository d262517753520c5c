"""Which embedded servers a command needs: those whose address the environment does not give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.embedded.postgres import Postgres
from config.embedded.process import Server
from config.embedded.valkey import Valkey


def wanted(environment: Mapping[str, str], data: Path, *, durable: bool = True) -> list[Server]:
    servers: list[Server] = []
    if not environment.get(Postgres.variable):
        servers.append(Postgres(data, durable=durable))
    if not environment.get(Valkey.variable):
        servers.append(Valkey(data))
    return servers
