"""Where files of direct mail go: a folder of ours, an SFTP server, an S3-compatible store.

A file appears under its name when it is whole, and not before: it is written under a temporary name and
renamed, or uploaded in parts that become an object at once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import asyncssh
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.conf import settings
from django.utils.translation import gettext as _

from channels.destinations import may_reach
from channels.http import Answer, Client, Failure, Request, resolve, said
from channels.models import ChannelConfiguration
from channels.providers.base import Step
from channels.sealing import SealBroken, unseal

PART = 6 * 2**20  # S3 takes no smaller parts than 5 MiB; each must travel within the limits of http.py
CONNECT_SECONDS = 15


class Undelivered(Exception):
    """The other side, or the way to it, in words that may be shown."""


class Target(Protocol):
    about: str

    async def put(self, source: Path, path: str) -> None: ...

    async def remove(self, path: str) -> None: ...


@asynccontextmanager
async def opened(configuration: ChannelConfiguration) -> AsyncIterator[Target]:
    """The credential is loaded. Raises Undelivered, also for what goes wrong inside."""
    chosen = configuration.settings
    credential, secret = configuration.credential, ""
    try:
        secret = unseal(credential.sealed, row=credential.pk) if credential else ""
        if chosen["target"] == "sftp":
            async with _sftp(chosen, secret) as target:
                yield target
        elif chosen["target"] == "s3":
            client = Client()
            try:
                yield Store(chosen, secret, client)
            finally:
                await client.close()
        else:
            yield Folder(Path(settings.VAR) / "mailfiles" / str(configuration.pk))
    except SealBroken as error:
        raise Undelivered(error.detail) from error
    except (KeyError, TypeError) as error:
        raise Undelivered(_("A setting is missing.")) from error
    except (Failure, OSError, asyncssh.Error, TimeoutError, ValueError) as error:
        words = said(str(error)) or type(error).__name__
        raise Undelivered(words.replace(secret, "•••") if len(secret) > 3 else words) from error


async def rehearse(configuration: ChannelConfiguration) -> list[Step]:
    """Writes a small file and takes it away again."""
    steps: list[Step] = []
    path = path_in(configuration, "carillon-test.txt")
    name = _("Open where files go")
    try:
        async with opened(configuration) as target:
            steps.append(Step(name, True, target.about))
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "test"
                source.write_text("Carillon\n")
                name = _("Write a small file")
                await target.put(source, path)
                steps.append(Step(name, True, path))
            name = _("Delete it again")
            await target.remove(path)
            steps.append(Step(name, True, _("Deleted.")))
    except Undelivered as error:
        steps.append(Step(name, False, str(error)))
    return steps


def path_in(configuration: ChannelConfiguration, name: str) -> str:
    """Below the configuration's own folder."""
    return posixpath.join(str(configuration.settings.get("folder") or ""), name)


def hidden(path: str) -> str:
    """The temporary name beside a path."""
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name}.part")


# ---- a folder of ours -----------------------------------------------------------------------------
class Folder:
    def __init__(self, root: Path) -> None:
        self.root, self.about = root, _("A folder on this server, below %(name)s.") % {"name": root.name}

    async def put(self, source: Path, path: str) -> None:
        await asyncio.to_thread(self._put, source, path)

    def _put(self, source: Path, path: str) -> None:
        end, beside = self._inside(path), self._inside(hidden(path))
        end.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as given, beside.open("wb") as file:
            shutil.copyfileobj(given, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(end)

    async def remove(self, path: str) -> None:
        self._inside(path).unlink()

    def _inside(self, path: str) -> Path:
        """Raises ValueError for what leads out, by a link too."""
        found = (self.root / path).resolve()
        if not found.is_relative_to(self.root.resolve()):
            raise ValueError(_("The file name leads out of the folder."))
        return found


# ---- SFTP -----------------------------------------------------------------------------------------
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
async def _sftp(chosen: dict[str, Any], secret: str) -> AsyncIterator[Sftp]:
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


# ---- S3 -------------------------------------------------------------------------------------------
class Store:
    """Path-style addresses, which every store understands; signed by SigV4, sent by our own HTTP."""

    def __init__(self, chosen: dict[str, Any], secret: str, client: Client) -> None:
        if not secret:
            raise KeyError("secret")
        credentials = Credentials(str(chosen["access_key_id"]), secret.strip())
        self.signer = S3SigV4Auth(credentials, "s3", str(chosen["region"]))
        self.base = f"{str(chosen['endpoint']).rstrip('/')}/{chosen['bucket']}"
        self.client, self.about = client, self.base

    async def put(self, source: Path, path: str) -> None:
        """In one request where it is small, else in parts; either way it is there whole or not at all."""
        with source.open("rb") as file:
            first = file.read(PART)
            if len(first) < PART:
                await self._ask("PUT", path, first)
                return
            started = await self._ask("POST", path, b"", "?uploads=")
            found = re.search(rb"<UploadId>([^<]{1,1000})</UploadId>", started.body)
            if found is None:
                raise Undelivered(_("The answer cannot be read: %(words)s") % {"words": _words(started)})
            upload = f"uploadId={quote(found.group(1).decode('ascii', 'replace'), safe='')}"
            try:
                await self._parts(path, upload, first, file)
            except (Failure, Undelivered):
                await self._ask("DELETE", path, b"", f"?{upload}")
                raise

    async def _parts(self, path: str, upload: str, first: bytes, file: Any) -> None:
        tags: list[str] = []
        part = first
        while part:
            answer = await self._ask("PUT", path, part, f"?partNumber={len(tags) + 1}&{upload}")
            tags.append(answer.headers.get("etag", "").replace("&", "").replace("<", ""))
            part = file.read(PART)
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        answer = await self._ask("POST", path, body, f"?{upload}")
        if b"<Error>" in answer.body:  # S3 says 200 before it knows
            raise Undelivered(_words(answer))

    async def remove(self, path: str) -> None:
        await self._ask("DELETE", path, b"")

    async def _ask(self, method: str, path: str, body: bytes, query: str = "") -> Answer:
        url = f"{self.base}/{quote(path, safe='/~')}{query}"
        signed = AWSRequest(method, url, data=body, headers={"Content-Type": "application/octet-stream"})
        self.signer.add_auth(signed)
        answer = await self.client.exchange(Request(method, url, dict(signed.headers.items()), body))
        if not 200 <= answer.status < 300:
            raise Undelivered(_words(answer))
        return answer


def _words(answer: Answer) -> str:
    text = re.sub(r"<[^>]*>", " ", answer.body[:2000].decode("utf-8", "replace"))
    return said(_("HTTP status %(status)s") % {"status": answer.status} + f": {text}")
