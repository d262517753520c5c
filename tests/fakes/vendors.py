"""Servers that speak as Twilio, Vonage, Infobip, a plain SMS gateway and a webhook's receiver do.

Each checks the sign-in, answers by the last digits of the recipient's number (…01 does not exist, …02 opted
out, …03 has to wait, …04 may not be sent to from here) and can misbehave as every FakeHttp can.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from standardwebhooks import Webhook

from tests.fakes.http import FakeHttp, Received, Response

WRONG, STOPPED, BUSY, FORBIDDEN = "01", "02", "03", "04"
GOOD_SENDER = "+15005550006"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class FakeTwilio(FakeHttp):
    account, token = "AC" + "0" * 32, "twilio-auth-token-0001"

    def answer(self, request: Received) -> Response:
        base = f"/2010-04-01/Accounts/{self.account}/"
        if request.headers.get("authorization") != basic(self.account, self.token):
            return self.problem(401, 20003, "Authenticate")
        if request.path == base + "IncomingPhoneNumbers.json" and request.method == "GET":
            wanted = request.query.get("PhoneNumber", GOOD_SENDER)
            numbers = [{"phone_number": wanted}] if wanted == GOOD_SENDER else []
            return Response(200, {"incoming_phone_numbers": numbers, "page": 0})
        if request.path != base + "Messages.json" or request.method != "POST":
            return self.problem(404, 20404, "The requested resource was not found")
        form = request.form
        if form.get("From") != GOOD_SENDER and "MessagingServiceSid" not in form:
            return self.problem(400, 21606, "The 'From' phone number provided is not a valid number")
        match form["To"][-2:]:
            case "01":
                return self.problem(400, 21211, f"Invalid 'To' Phone Number: {form['To']}")
            case "02":
                return self.problem(400, 21610, "Attempt to send to unsubscribed recipient")
            case "03":
                return Response(429, {"code": 20429, "message": "Too Many Requests"}, {"Retry-After": "2"})
            case "04":
                return self.problem(400, 21408, "Permission to send an SMS has not been enabled")
        sid = f"SM{len(self.requests):032x}"
        return Response(201, {"sid": sid, "status": "queued", "to": form["To"], "error_code": None})

    def problem(self, status: int, code: int, message: str) -> Response:
        more = f"https://www.twilio.com/docs/errors/{code}"
        return Response(status, {"code": code, "message": message, "more_info": more, "status": status})


class FakeVonage(FakeHttp):
    api_key, api_secret = "abcd1234", "vonage-api-secret-01"

    def answer(self, request: Received) -> Response:
        if request.headers.get("authorization") != basic(self.api_key, self.api_secret):
            return self.problem(401, "unauthorized", "You did not provide correct credentials.")
        if request.path == "/account/get-balance" and request.method == "GET":
            return Response(200, {"value": 10.28, "autoReload": False})
        if request.path != "/v1/messages" or request.method != "POST":
            return self.problem(404, "not-found", "The requested resource does not exist")
        body = request.json
        assert body["channel"] == "sms"
        assert body["message_type"] == "text"
        assert not body["to"].startswith("+")
        if "+" + body["from"] != GOOD_SENDER and body["from"] != "Fernhill":
            return self.problem(422, "1120", "Illegal Sender Address - rejected", "1120")
        match body["to"][-2:]:
            case "01":
                return self.problem(422, "1170", "Invalid or Missing Msisdn Param", "1170")
            case "02":
                return self.problem(422, "1050", "Number barred", "1050")
            case "03":
                return self.problem(429, "1000", "Throttled", "1000")
            case "04":
                return self.problem(403, "1160", "Non White-listed Destination", "1160")
        return Response(202, {"message_uuid": f"aaaaaaaa-bbbb-cccc-dddd-{len(self.requests):012d}"})

    def problem(self, status: int, code: str, detail: str, title: str = "") -> Response:
        where = "https://developer.vonage.com/api-errors" + ("/messages#" if code.isdigit() else "#") + code
        body = {"type": where, "title": title or "Problem", "detail": detail, "instance": "bf0ca0bf927b"}
        return Response(status, body, {"Content-Type": "application/problem+json"})


class FakeInfobip(FakeHttp):
    api_key = "infobip-api-key-00000001"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.taken: set[str] = set()

    def answer(self, request: Received) -> Response:
        if request.headers.get("authorization") != f"App {self.api_key}":
            return Response(401, {
                "errorCode": "E401", "description": "Authentication error.", "action": "Check the key.",
                "violations": [], "resources": [],
            })  # fmt: skip
        if request.path == "/account/1/balance":
            return Response(200, {"balance": 47.79, "currency": "EUR"})
        if request.path != "/sms/3/messages" or request.method != "POST":
            return Response(404, {"errorCode": "E404", "description": "Not found."})
        messages = request.json["messages"]
        if any(one["destinations"][0]["to"].endswith("99") for one in messages):
            violation = {"property": "messages[0].destinations[0].to", "violation": "must be a phone number"}
            return Response(400, {
                "errorCode": "E400", "description": "Request cannot be processed.", "violations": [violation],
            })  # fmt: skip
        return Response(200, {"bulkId": "b1", "messages": [self.entry(one) for one in messages]})

    def entry(self, message: dict[str, Any]) -> dict[str, Any]:
        (destination,) = message["destinations"]
        statuses = {
            "01": (5, "REJECTED", 52, "REJECTED_INVALID_DESTINATION", "Invalid destination address."),
            "02": (5, "REJECTED", 10, "REJECTED_DND", "Destination is on the DND list."),
            "03": (5, "REJECTED", 21, "REJECTED_SYSTEM_ERROR", "System error."),
            "04": (5, "REJECTED", 18, "REJECTED_DESTINATION_NOT_REGISTERED", "Not on the demo list."),
        }
        usual = (1, "PENDING", 26, "PENDING_ACCEPTED", "Message sent to next instance")
        status = statuses.get(destination["to"][-2:], usual)
        if "+" + message["sender"] != GOOD_SENDER:
            status = (5, "REJECTED", 13, "REJECTED_SENDER", "Sender is blocked.")
        elif status is usual:
            if destination["messageId"] in self.taken:
                status = (5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID", "Duplicate message ID.")
            self.taken.add(destination["messageId"])
        names = ("groupId", "groupName", "id", "name", "description")
        shown = dict(zip(names, status, strict=True))
        return {"destination": destination["to"], "messageId": destination["messageId"], "status": shown}


class FakeGateway(FakeHttp):
    """A gateway of the kind that says everything with status 200."""

    key = "gateway-key-00000000001"

    def answer(self, request: Received) -> Response:
        if request.headers.get("x-api-key") != self.key:
            return Response(200, {"result": "bad_key"})
        try:
            body = request.json if request.body else request.query
        except json.JSONDecodeError:
            body = request.form
        match body["to"][-2:]:
            case "01" | "02" | "04":
                return Response(200, {"result": "refused"})
            case "03":
                return Response(200, {"result": "wait"})
        return Response(200, {"result": "ok", "messages": [{"id": f"G{len(self.requests)}"}]})


class FakeReceiver(FakeHttp):
    """Takes what is signed as Standard Webhooks says, checked by their own library."""

    secret = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()

    def answer(self, request: Received) -> Response:
        try:
            Webhook(self.secret).verify(request.body, request.headers)
        except Exception as error:
            return Response(401, {"error": f"secret words {error}"})
        return Response(204, b"")
