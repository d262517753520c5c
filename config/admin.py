"""The admin site, with the house's name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.errors import NotFound
from common.text import whole_number

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class AdministrationSite(admin.AdminSite):
    site_header = _("Carillon administration")
    site_title = _("Carillon")
    index_title = _("Administration")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Passwords are asked for in one place only, which slows down who guesses."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", "") or reverse("admin:index"))

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """What an action is done with are numbers of rows; Django asks the database for whatever is given."""

        @wraps(view)
        def with_rows(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            picked = request.POST.getlist(ACTION_CHECKBOX_NAME)
            if any(whole_number(one) is None for one in picked):
                raise NotFound(gettext("It is no longer there."))
            return view(request, *args, **kwargs)

        return super().admin_view(cast(View, with_rows), cacheable)
