"""Files to an S3-compatible store. See `mailtargets.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from channels.http import Answer, Client, Failure, Request, said
from channels.mailtargets import Undelivered
from common.wording import joined
from common.wording import worded as _

PART = 6 * 2**20  # S3 takes no smaller parts than 5 MiB; each must travel within the limits of http.py


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
    return joined(_("HTTP status %(status)s") % {"status": answer.status}, said(text), by=": ")
