"""An HTTP/2 server on a real socket, without TLS, that misbehaves on request as `FakeHttp` does."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import threading
from typing import Any, Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.http import ANSWERS, Received, Response


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads, block_on_close = True, False


class FakeHttp2:
    """Entered again after its end it is back at the same address."""

    def __init__(self, manner: str = "") -> None:
        self.port = 0  # any that is free
        self.manner = manner
        self.requests: list[Received] = []
        self.connections = 0
        self.ended = threading.Event()

    def __enter__(self) -> Self:
        fake = self
        self.ended.clear()

        class Handler(_Handler):
            owner = fake

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, request: Received) -> Response:
        return Response(200, {"ok": True})


class _Handler(socketserver.BaseRequestHandler):
    owner: FakeHttp2
    request: socket.socket

    def handle(self) -> None:
        self.owner.connections += 1
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.http = h2.connection.H2Connection(config)
        self.http.initiate_connection()
        asked: dict[int, tuple[dict[str, str], bytearray]] = {}
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            self.flush()
            while octets := self.request.recv(65536):
                for event in self.http.receive_data(octets):
                    if isinstance(event, h2.events.RequestReceived):
                        asked[event.stream_id] = (dict(event.headers), bytearray())
                    elif isinstance(event, h2.events.DataReceived):
                        asked[event.stream_id][1].extend(event.data)
                        self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self.respond(event.stream_id, *asked.pop(event.stream_id))
                self.flush()

    def flush(self) -> None:
        self.request.sendall(self.http.data_to_send())

    def respond(self, stream: int, headers: dict[str, str], body: bytearray) -> None:
        path = headers[":path"]
        request = Received(headers[":method"], path, {}, headers, bytes(body), id(self.request))
        self.owner.requests.append(request)
        simple = {**ANSWERS, "redirect": Response(302, b"", {"location": "/elsewhere"})}
        if (raw := getattr(self, f"raw_{self.owner.manner}", None)) is not None:
            raw()
            return
        self.write(stream, simple.get(self.owner.manner) or self.owner.answer(request))

    def write(self, stream: int, response: Response) -> None:
        more = [(name.lower(), value) for name, value in response.headers.items()]
        self.http.send_headers(stream, [(":status", str(response.status)), *more])
        self.http.send_data(stream, response.octets, end_stream=True)
        self.flush()

    def raw_drop(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def raw_silent(self) -> None:
        self.owner.ended.wait(30)

    def raw_garbage(self) -> None:
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\x00\xff\r\n" * 10)

    def raw_slow_headers(self) -> None:
        """Nothing but PINGs."""
        while not self.owner.ended.wait(0.05):
            self.http.ping(b"01234567")
            self.flush()


APPLE_KEY = ec.generate_private_key(ec.SECP256R1())


class FakeApns(FakeHttp2):
    """Apple's push service, with the reasons it publishes."""

    key_id, team_id, topic = "ABC123DEFG", "DEF123GHIJ", "tw.fernhill.shop"
    private_key = (
        APPLE_KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
        .strip()
    )

    def __init__(self, manner: str = "") -> None:
        super().__init__(manner)
        self.accepted: list[Any] = []

    def answer(self, request: Received) -> Response:
        token = request.headers.get("authorization", "").removeprefix("bearer ")
        try:
            jwt.decode(token, APPLE_KEY.public_key(), algorithms=["ES256"], issuer=self.team_id)
            assert jwt.get_unverified_header(token)["kid"] == self.key_id
        except jwt.PyJWTError:
            return self.refused(403, "InvalidProviderToken")
        if request.headers.get("apns-topic") != self.topic:
            return self.refused(400, "TopicDisallowed")
        assert request.method == "POST"
        payload = json.loads(request.body)
        is_shown = "alert" in payload["aps"]
        assert request.headers["apns-push-type"] == ("alert" if is_shown else "background")
        device = request.headers[":path"].removeprefix("/3/device/")
        if device == "0" * 64:
            return self.refused(400, "BadDeviceToken")
        match device[-2:]:
            case "01":
                return Response(410, {"reason": "Unregistered", "timestamp": 1700000000000})
            case "03":
                return self.refused(429, "TooManyRequests")
            case "04":
                return self.refused(400, "DeviceTokenNotForTopic")
        self.accepted.append(payload)
        return Response(200, b"", {"apns-id": request.headers["apns-id"]})

    def refused(self, status: int, reason: str) -> Response:
        return Response(status, {"reason": reason})
