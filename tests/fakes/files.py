"""Where files go: an SFTP server (asyncssh) and an S3-compatible store, on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from pathlib import Path
from typing import Any, Self

import asyncssh

from tests.fakes.http import FakeHttp, Received, Response

CLIENT_KEY = asyncssh.generate_private_key("ssh-ed25519")


class _Account(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("fernhill", "right-password")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "fernhill" and key.public_data == CLIENT_KEY.public_data


class FakeSftp:
    """Keeps what it is given below `root`, and the names files were renamed from."""

    def __init__(self, root: Path) -> None:
        self.root, self.renamed = root, []
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = self.key.export_public_key().decode().strip()

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(10)
        self.port: int = self.server.get_port()
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _end(self) -> None:
        self.server.close()
        await self.server.wait_closed()
        await asyncio.sleep(0)

    async def _listen(self) -> Any:
        fake = self

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: Any) -> None:
                super().__init__(channel, chroot=str(fake.root))

            def posix_rename(self, old: bytes, new: bytes) -> None:
                fake.renamed.append((old.decode(), new.decode()))
                super().posix_rename(old, new)

        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=_Account, server_host_keys=[self.key], sftp_factory=Files
        )


class FakeStore(FakeHttp):
    """Takes what is signed as Signature Version 4 says. Objects appear when an upload is completed."""

    access_key, region = "AKIAFERNHILL", "eu-central-1"
    SIGNED = re.compile(
        rf"AWS4-HMAC-SHA256 Credential={access_key}/[0-9]{{8}}/{region}/s3/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}"
    )

    def __init__(self, manner: str = "") -> None:
        super().__init__(manner)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[int, bytes] = {}
        self.aborted = 0

    def answer(self, request: Received) -> Response:
        found = self.SIGNED.fullmatch(request.headers.get("authorization", ""))
        signed = set(found.group(1).split(";")) if found else set()
        told = request.headers.get("x-amz-content-sha256", "")
        if not signed >= {"host", "x-amz-date", "x-amz-content-sha256"}:
            return Response(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if told != hashlib.sha256(request.body).hexdigest():
            return Response(400, b"<Error><Code>XAmzContentSHA256Mismatch</Code></Error>")
        return self._carry_out(request)

    def _carry_out(self, request: Received) -> Response:
        if request.method == "DELETE":
            if "uploadId" in request.query:
                self.aborted += 1
            self.objects.pop(request.path, None)
            return Response(204)
        if request.method == "POST" and "uploadId" not in request.query:
            return Response(200, b"<X><UploadId>up/1</UploadId></X>")
        if request.method == "POST":
            self.objects[request.path] = b"".join(self.parts[number] for number in sorted(self.parts))
            return Response(200, b"<CompleteMultipartUploadResult/>")
        if (number := request.query.get("partNumber")) is not None:
            if self.manner == "no_second_part" and number == "2":
                return Response(403, b"<Error><Code>QuotaExceeded</Code></Error>")
            self.parts[int(number)] = request.body
        else:
            self.objects[request.path] = request.body
        return Response(200, b"", {"ETag": f'"{number or 0}"'})
