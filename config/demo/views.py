"""The demo's own pages: the people to sign in as, and the mailbox with what was sent to anybody.

Only demo mode has these addresses. A message's HTML is served as a document of its own, shown in a
sandboxed frame under a policy that runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth import login
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.views.sign_in import begin
from config.demo import mailbox
from config.demo.people import EMAILS, PEOPLE

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

PAGE_SIZE = 50
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def demo_only(view: View[P]) -> View[P]:
    """Answers 404 outside demo mode, whatever the addresses say."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


@demo_only
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/people.html", {"people": PEOPLE})


@demo_only
@require_POST
def become(request: HttpRequest) -> HttpResponse:
    """Sign in as one of the demo people, and only as one of them."""
    email = request.POST.get("email", "")
    user = User.objects.filter(email=email, is_active=True).first() if email in EMAILS else None
    if user is None:
        raise Http404
    login(request, user, backend=BACKEND)
    response = HttpResponseRedirect(next_address(request))
    begin(request, response, user)
    return response


def next_address(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return address
    return resolve_url(settings.LOGIN_REDIRECT_URL)


@demo_only
@require_safe
def mailbox_list(request: HttpRequest) -> HttpResponse:
    search = request.GET.get("search", "")
    page = Paginator(mailbox.names(search), PAGE_SIZE).get_page(request.GET.get("page"))
    letters = list(mailbox.heads(list(page.object_list)))
    return render(request, "demo/mailbox.html", {"page": page, "letters": letters, "search": search})


@demo_only
@require_safe
def message(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "demo/message.html", {"letter": find(name), "sandbox": SANDBOX})


@demo_only
@require_safe
@xframe_options_sameorigin
def message_html(request: HttpRequest, name: str) -> HttpResponse:
    response = HttpResponse(find(name).html)
    response["Content-Security-Policy"] = message_policy()
    return response


@demo_only
@require_safe
def message_text(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(find(name).text, content_type="text/plain; charset=utf-8")


def message_policy() -> str:
    """Inline styles, because mail has no others; pictures from us alone, so that the open pixel loads."""
    return "; ".join(
        [
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            f"img-src 'self' {settings.PUBLIC_URL} data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            f"sandbox {SANDBOX}",
        ]
    )


def find(name: str) -> mailbox.Letter:
    try:
        return mailbox.whole(name)
    except FileNotFoundError as error:
        raise Http404 from error
