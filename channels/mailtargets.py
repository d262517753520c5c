"""Where files of direct mail go: a folder of ours, an SFTP server, an S3-compatible store.

A file appears under its name when it is whole, and not before: it is written under a temporary name and
renamed, or uploaded in parts that become an object at once.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from django.conf import settings

from channels.http import Client, Failure, said
from channels.models import ChannelConfiguration
from channels.providers.base import Step
from channels.sealing import SealBroken, unseal
from common.wording import rewritten
from common.wording import worded as _


class Undelivered(Exception):
    """The other side, or the way to it, in words that may be shown."""


class Target(Protocol):
    about: str

    async def put(self, source: Path, path: str) -> None: ...

    async def remove(self, path: str) -> None: ...


@asynccontextmanager
async def opened(configuration: ChannelConfiguration) -> AsyncIterator[Target]:
    """The credential is loaded. Raises Undelivered, also for what goes wrong inside.

    What speaks SFTP or S3 is imported where a file goes there: it weighs 18 MB, and on every worker.
    """
    chosen = configuration.settings
    credential, secret = configuration.credential, ""
    try:
        secret = unseal(credential.sealed, row=credential.pk) if credential else ""
        if chosen["target"] == "sftp":
            from channels import sftp

            async with sftp.opened(chosen, secret) as target:
                yield target
        elif chosen["target"] == "s3":
            from channels.objectstore import Store

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
    except TimeoutError as error:
        raise Undelivered(_("No answer in time.")) from error
    except (Failure, OSError, ValueError) as error:
        raise Undelivered(_words(error, secret)) from error


def _words(error: Exception, secret: str) -> str:
    """What is ours in it stays translatable; what the other side said is quoted without the secret."""

    def quoted(text: str) -> str:
        return said(text.replace(secret, "•••") if len(secret) > 3 else text)

    told = error.args[0] if error.args else ""
    return rewritten(told if isinstance(told, str) else str(error), quoted) or type(error).__name__


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
        steps.append(Step(name, False, error.args[0]))
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
