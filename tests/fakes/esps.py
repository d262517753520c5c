"""Servers that speak as SendGrid, Mailgun, Postmark and Brevo do.

Each checks the sign-in and answers by the recipient: wrong@ does not exist, busy@ has to wait.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.http import FakeHttp, Received, Response
from tests.fakes.vendors import basic


class FakeEsp(FakeHttp):
    secret = "esp-secret-0000000000001"
    where, question = "", ""

    def signed_in(self, request: Received) -> bool:
        raise NotImplementedError

    def recipient(self, request: Received) -> str:
        raise NotImplementedError

    def account(self) -> Any:
        raise NotImplementedError

    def taken(self, number: str) -> Response:
        raise NotImplementedError

    def wrong(self) -> Response:
        raise NotImplementedError

    def answer(self, request: Received) -> Response:
        if not self.signed_in(request):
            return Response(401, {"message": "Unauthorized"})
        if (request.method, request.path) == ("GET", self.question):
            return Response(200, self.account())
        if (request.method, request.path) != ("POST", self.where):
            return Response(404, {"message": "Not found"})
        recipient = self.recipient(request)
        if recipient.startswith("wrong@"):
            return self.wrong()
        if recipient.startswith("busy@"):
            return Response(429, {"message": "Too many requests"}, {"Retry-After": "2"})
        return self.taken(f"{len(self.requests):032x}")


class FakeSendGrid(FakeEsp):
    where, question = "/v3/mail/send", "/v3/scopes"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.secret}"

    def recipient(self, request: Received) -> str:
        return str(request.json["personalizations"][0]["to"][0]["email"])

    def account(self) -> Any:
        return {"scopes": ["mail.send"]}

    def taken(self, number: str) -> Response:
        return Response(202, b"", {"X-Message-Id": number})

    def wrong(self) -> Response:
        field = "personalizations.0.to.0.email"
        return Response(400, {"errors": [{"message": "Does not contain a valid address.", "field": field}]})


class FakeMailgun(FakeEsp):
    where, question = "/v3/mg.fernhill.example/messages", "/v4/domains/mg.fernhill.example"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == basic("api", self.secret)

    def recipient(self, request: Received) -> str:
        return request.form["to"]

    def account(self) -> Any:
        return {"domain": {"name": "mg.fernhill.example", "state": "active"}}

    def taken(self, number: str) -> Response:
        return Response(200, {"id": f"<{number}@mg.fernhill.example>", "message": "Queued. Thank you."})

    def wrong(self) -> Response:
        words = "'to' parameter is not a valid address. please check documentation"
        return Response(400, {"message": words})


class FakePostmark(FakeEsp):
    where, question = "/email", "/server"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("x-postmark-server-token") == self.secret

    def recipient(self, request: Received) -> str:
        return str(request.json["To"])

    def account(self) -> Any:
        return {"ID": 1, "Name": "Fernhill"}

    def taken(self, number: str) -> Response:
        found = {"To": self.recipient(self.requests[-1]), "MessageID": number}
        return Response(200, {**found, "ErrorCode": 0, "Message": "OK"})

    def wrong(self) -> Response:
        words = (
            "You tried to send to a recipient that has been marked as inactive. Found inactive addresses: "
            "wrong@example.com. Inactive recipients are ones that have generated a hard bounce."
        )
        return Response(422, {"ErrorCode": 406, "Message": words})


class FakeBrevo(FakeEsp):
    where, question = "/v3/smtp/email", "/v3/account"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("api-key") == self.secret

    def recipient(self, request: Received) -> str:
        return str(request.json["to"][0]["email"])

    def account(self) -> Any:
        return {"email": "team@fernhill.example"}

    def taken(self, number: str) -> Response:
        return Response(201, {"messageId": f"<{number}@smtp-relay.example>"})

    def wrong(self) -> Response:
        return Response(400, {"code": "invalid_parameter", "message": "email is not valid in to"})
