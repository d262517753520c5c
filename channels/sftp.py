"""Files to an SFTP server, whose key is pinned. See `mailtargets.py`."""

from __future__ import annotations

import ipaddress
import posixpath
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh

from channels.destinations import may_reach
from channels.http import resolve, said
from channels.mailtargets import Undelivered, hidden
from common.wording import joined
from common.wording import worded as _

CONNECT_SECONDS = 15


def is_host_key(line: str) -> bool:
    try:
        asyncssh.import_public_key(line)
    except (asyncssh.KeyImportError, ValueError):
        return False
    return True


class Sftp:
    def __init__(self, client: Any, about: str) -> None:
        self.client, self.about = client, about

    async def put(self, source: Path, path: str) -> None:
        beside = hidden(path)
        if folder := posixpath.dirname(path):
            await self.client.makedirs(folder, exist_ok=True)
        await self.client.put(str(source), beside)
        try:
            await self.client.posix_rename(beside, path)
        except asyncssh.SFTPError:  # a server without that extension renames to no name that is taken
            if await self.client.exists(path):
                await self.client.remove(path)
            await self.client.rename(beside, path)

    async def remove(self, path: str) -> None:
        await self.client.remove(path)


@asynccontextmanager
async def opened(chosen: dict[str, Any], secret: str) -> AsyncIterator[Sftp]:
    """Raises OSError, also for what goes wrong inside, and ValueError for a key that is none."""
    try:
        async with _connected(chosen, secret) as target:
            yield target
    except asyncssh.Error as error:
        said_there = str(error) or type(error).__name__
        raise OSError(joined(_meaning(error), said_there, by=": ")) from error


def _meaning(error: asyncssh.Error) -> str:
    if isinstance(error, asyncssh.PermissionDenied):
        return _("The server refuses the user name or the secret")
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return _("The server has another key than the one entered")
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return _("The server lets nobody write there")
    return ""


@asynccontextmanager
async def _connected(chosen: dict[str, Any], secret: str) -> AsyncIterator[Sftp]:
    """Connects to an address that was checked, and speaks to no server with another key than the pinned."""
    host, port = str(chosen["host"]), int(chosen["port"])
    found = [one for one in await resolve(host, port) if may_reach(ipaddress.ip_address(one))]
    if not found:
        raise Undelivered(_("This address points inside our network."))
    pinned = asyncssh.import_public_key(str(chosen["host_key"]))
    is_key = secret.lstrip().startswith("-----BEGIN")
    async with asyncssh.connect(
        found[0],
        port,
        username=str(chosen["username"]),
        password=None if is_key else secret,
        client_keys=[asyncssh.import_private_key(secret.strip() + "\n")] if is_key else None,
        known_hosts=([pinned], [], []),
        agent_path=None,
        config=None,
        connect_timeout=CONNECT_SECONDS,
        login_timeout=CONNECT_SECONDS,
        keepalive_interval=15,
    ) as connection:
        version = said(str(connection.get_extra_info("server_version") or ""))
        async with connection.start_sftp_client() as client:
            yield Sftp(client, f"{found[0]} {version} {pinned.get_fingerprint()}")
