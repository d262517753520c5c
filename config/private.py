"""What is shown to somebody who is signed in is kept by nobody on the way: no proxy, no browser's disk.

A view that says otherwise stands: files that are the same for everybody may be kept.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

KEEP_NOTHING = "private, no-store"


class PrivateAnswersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        user = getattr(request, "user", None)  # None where the API knows nobody
        is_known = "Authorization" in request.headers or (user is not None and user.is_authenticated)
        if is_known and "Cache-Control" not in answer.headers:
            answer.headers["Cache-Control"] = KEEP_NOTHING
        return answer
