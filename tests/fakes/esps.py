"""Servers that speak as the mail services do, with the field names and codes of their documentation.

Each checks the sign-in and answers by the recipient: wrong@ does not exist, busy@ has to wait. Those with a
call for many mails answer each of them; `batches` counts such calls.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.http import FakeHttp, Received, Response
from tests.fakes.vendors import basic

SENDGRID_PRIVATE = ec.generate_private_key(ec.SECP256R1())  # signs events
SENDGRID_PUBLIC = base64.b64encode(
    SENDGRID_PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


class FakeEsp(FakeHttp):
    secret = "esp-secret-0000000000001"
    where, question, together = "", "", "none"
    batches, search = 0, ""

    def found(self, request: Received) -> Any:
        raise NotImplementedError

    def answer_many(self, request: Received) -> Response:
        raise NotImplementedError

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
        if request.path == self.question:
            return Response(200, self.account())
        if (request.method, request.path) == ("POST", self.together):
            self.batches += 1
            return self.answer_many(request)
        if (request.method, request.path) == ("GET", self.search):
            return Response(200, self.found(request))
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
    search = "/v3/mg.fernhill.example/events"

    def found(self, request: Received) -> Any:
        """By its key: 1-1 was taken, 1-2 rejected, of others it knows nothing."""
        taken = {"message": {"headers": {"message-id": "0001@mg.fernhill.example"}}}
        refused = {"event": "rejected", "reject": {"reason": "Sandbox"}}
        events = [("1-1", {"event": "delivered", **taken}), ("1-1", {"event": "accepted", **taken})]
        events.append(("1-2", refused))
        return {"items": [{**event, "user-variables": {"carillon": key}} for key, event in events]}

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
    where, question, together = "/email", "/server", "/email/batch"
    search = "/messages/outbound"
    known = ("1-1",)  # keys of the messages that it has

    def found(self, request: Received) -> Any:
        named = [
            {"MessageID": f"pm-{key}", "Status": "Sent", "Metadata": {"carillon": key}} for key in self.known
        ]
        return {"TotalCount": len(named), "Messages": named}

    def answer_many(self, request: Received) -> Response:
        return Response(200, [self.one(number, mail) for number, mail in enumerate(request.json)])

    def one(self, number: int, mail: Any) -> Any:
        if mail["To"].startswith("wrong@"):
            return {"ErrorCode": 406, "Message": self.wrong().body["Message"]}
        return {"To": mail["To"], "MessageID": f"b{self.batches}-{number}", "ErrorCode": 0, "Message": "OK"}

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

    def answer(self, request: Received) -> Response:
        if b"messageVersions" not in request.body or not self.signed_in(request):
            return super().answer(request)
        self.batches += 1
        versions = request.json["messageVersions"]
        if any(one["to"][0]["email"].startswith("wrong@") for one in versions):
            return self.wrong()
        ids = [f"<b{self.batches}-{number}@smtp-relay.example>" for number, _one in enumerate(versions)]
        return Response(201, {"messageIds": ids})

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


class FakeMailjet(FakeEsp):
    where, question = "/v3.1/send", "/v3/REST/user"
    search = "/v3/REST/message"
    key = "mailjet-public-key-0001"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == basic(self.key, self.secret)

    def recipient(self, request: Received) -> str:
        return str(request.json["Messages"][0]["To"][0]["Email"])

    def found(self, request: Received) -> Any:
        """Whatever was sent to it, by the CustomID it was sent with."""
        sent = [one.json for one in self.requests if one.method == "POST"]
        mails = [body.get("Globals", {}) | mail for body in sent for mail in body["Messages"]]
        data = [
            {"ID": 70_000 + number, "Status": "sent", "CustomID": mail["CustomID"]}
            for number, mail in enumerate(mails)
            if mail.get("CustomID") == request.query["CustomID"]
        ]
        return {"Count": len(data), "Data": data, "Total": len(data)}

    def account(self) -> Any:
        return {"Count": 1, "Data": [{"Email": "team@fernhill.example"}], "Total": 1}

    def answer(self, request: Received) -> Response:
        if request.method != "POST" or len(request.json["Messages"]) == 1 or not self.signed_in(request):
            return super().answer(request)
        self.batches += 1
        assert "Globals" not in request.json
        told = [self.one(number, mail) for number, mail in enumerate(request.json["Messages"])]
        return Response(200, {"Messages": told})

    def one(self, number: int, mail: Any) -> Any:
        address = mail["To"][0]["Email"]
        if address.startswith("wrong@"):
            return self.wrong().body["Messages"][0]
        told = {"Email": address, "MessageUUID": "5a-1", "MessageID": 70_000 + number, "MessageHref": "x"}
        return {"Status": "success", "CustomID": "", "To": [told], "Cc": [], "Bcc": []}

    def taken(self, number: str) -> Response:
        address = self.recipient(self.requests[-1])
        told = {"Email": address, "MessageUUID": number, "MessageID": int(number, 16), "MessageHref": "x"}
        return Response(200, {"Messages": [{"Status": "success", "To": [told], "Cc": [], "Bcc": []}]})

    def wrong(self) -> Response:
        fault = {
            "ErrorIdentifier": "f987008f", "ErrorCode": "mj-0013", "StatusCode": 400,
            "ErrorMessage": '"wrong@" is an invalid email address.', "ErrorRelatedTo": ["To[0].Email"],
        }  # fmt: skip
        return Response(400, {"Messages": [{"Status": "error", "Errors": [fault]}]})


class FakeMailerSend(FakeEsp):
    where, question = "/v1/email", "/v1/domains"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.secret}"

    def recipient(self, request: Received) -> str:
        return str(request.json["to"][0]["email"])

    def account(self) -> Any:
        return {"data": [{"id": "7nxe3yjmeq28vp0k", "name": "fernhill.example", "is_verified": True}]}

    def taken(self, number: str) -> Response:
        return Response(202, b"", {"X-Message-Id": number, "Content-Type": "text/html; charset=UTF-8"})

    def wrong(self) -> Response:
        words = "The to.0.email must be a valid email address."
        return Response(422, {"message": words, "errors": {"to.0.email": [words]}})


class FakeMandrill(FakeEsp):
    where, question = "/api/1.0/messages/send.json", "/api/1.0/users/info.json"

    def signed_in(self, request: Received) -> bool:
        return bool(request.json["key"] == self.secret)

    def answer(self, request: Received) -> Response:
        if not self.signed_in(request):
            told = {"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}
            return Response(500, told)
        return super().answer(request)

    def recipient(self, request: Received) -> str:
        return str(request.json["message"]["to"][0]["email"])

    def account(self) -> Any:
        return {"username": "fernhill", "reputation": 98, "hourly_quota": 42}

    def taken(self, number: str) -> Response:
        told = {"email": self.recipient(self.requests[-1]), "status": "sent", "_id": number}
        return Response(200, [{**told, "reject_reason": None}])

    def wrong(self) -> Response:
        told = {"email": self.recipient(self.requests[-1]), "status": "rejected", "_id": "abc123"}
        return Response(200, [{**told, "reject_reason": "hard-bounce"}])


class FakeResend(FakeEsp):
    where, question, together = "/emails", "/domains", "/emails/batch"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.secret}"

    def recipient(self, request: Received) -> str:
        return str(request.json["to"][0])

    def account(self) -> Any:
        return {"data": [{"id": "d91cd9bd", "name": "fernhill.example", "status": "verified"}]}

    def answer_many(self, request: Received) -> Response:
        if any(mail["to"][0].startswith("wrong@") for mail in request.json):
            return self.wrong()
        return Response(
            200, {"data": [{"id": f"b{self.batches}-{n}"} for n, _one in enumerate(request.json)]}
        )

    def taken(self, number: str) -> Response:
        return Response(200, {"id": number})

    def wrong(self) -> Response:
        words = "Invalid `to` field. The email address needs to follow the `email@example.com` format."
        return Response(422, {"statusCode": 422, "message": words, "name": "validation_error"})


class FakeSparkPost(FakeEsp):
    where, question = "/api/v1/transmissions/", "/api/v1/account"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("authorization") == self.secret

    def recipient(self, request: Received) -> str:
        return str(request.json["recipients"][0]["address"]["email"])

    def account(self) -> Any:
        return {"results": {"company_name": "Fernhill", "customer_id": 123, "status": "active"}}

    def taken(self, number: str) -> Response:
        counted = {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": number}
        return Response(200, {"results": counted})

    def wrong(self) -> Response:
        told = {"message": "required field is missing", "description": "address.email or address.name"}
        counted = {"total_rejected_recipients": 1, "total_accepted_recipients": 0, "id": "11"}
        failed = {"message": "transmission created, but with validation errors", "code": "2000"}
        return Response(400, {"errors": [failed], "results": {"rcpt_to_errors": [told], **counted}})


class FakeUnisenderGo(FakeEsp):
    where, question = "/en/transactional/api/v1/email/send.json", "/en/transactional/api/v1/system/info.json"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("x-api-key") == self.secret

    def recipient(self, request: Received) -> str:
        return str(request.json["message"]["recipients"][0]["email"])

    def account(self) -> Any:
        return {"status": "success", "user_id": 11344, "email": "team@fernhill.example"}

    def taken(self, number: str) -> Response:
        address = self.recipient(self.requests[-1])
        return Response(200, {"status": "success", "job_id": number, "emails": [address]})

    def wrong(self) -> Response:
        failed = {self.recipient(self.requests[-1]): "permanent_unavailable"}
        words = "Error ID:1B. All recipients failed"
        return Response(400, {"status": "error", "message": words, "code": 204, "failed_emails": failed})


class FakeScaleway(FakeEsp):
    base = "/transactional-email/v1alpha1/regions/fr-par"
    where, question = f"{base}/emails", f"{base}/domains"
    project = "11111111-2222-4333-8444-555555555555"

    def signed_in(self, request: Received) -> bool:
        return request.headers.get("x-auth-token") == self.secret

    def recipient(self, request: Received) -> str:
        return str(request.json["to"][0]["email"])

    def account(self) -> Any:
        return {"total_count": 1, "domains": [{"id": "d", "name": "fernhill.example", "status": "checked"}]}

    def taken(self, number: str) -> Response:
        told = {"id": number, "message_id": f"<{number}@tem.example>", "status": "new"}
        return Response(200, {"emails": [{**told, "mail_rcpt": self.recipient(self.requests[-1])}]})

    def wrong(self) -> Response:
        fault = {"argument_name": "to", "help_message": "must be valid", "reason": "format"}
        return Response(
            400, {"details": [fault], "message": "invalid argument(s)", "type": "invalid_arguments"}
        )
