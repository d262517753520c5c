"""The one mail a person gets with a new role: an invitation to choose a password, or a link to sign in."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import Role, User
from common.errors import Invalid, Problem


def check_address(email: str) -> None:
    """Raises Invalid where nobody could be invited."""
    try:
        validate_email(email)
    except ValidationError as error:
        detail = _("Nobody is called “%(who)s”. Give an email address to invite somebody.") % {
            "who": email[:80]
        }
        raise Invalid(Problem("unknown_user", detail, "who")) from error


def create_invited(email: str, *, language: str, time_zone: str) -> User:
    """A person who does not exist yet: no password until they follow the link in the mail."""
    check_address(email)
    name = email.partition("@")[0]
    return User.objects.create_user(email, name=name, language=language, time_zone=time_zone)


def link_for(user: User) -> str:
    """Where the mail leads: to choosing a password for a new person, else to the front door."""
    if user.has_usable_password():
        return settings.PUBLIC_URL + reverse("home")
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return settings.PUBLIC_URL + reverse("accounts:welcome", args=[uid, token])


def send_after_commit(user: User, role: Role) -> None:
    transaction.on_commit(lambda: send(user, role))


def send(user: User, role: Role) -> None:
    with override(user.language):
        subject = _("You are now %(role)s in %(workspace)s") % {
            "role": role.title,
            "workspace": role.workspace,
        }
        context = {"user": user, "role": role, "workspace": role.workspace, "link": link_for(user)}
        body = render_to_string("mail/role_granted.txt", context)
    send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, [user.email])
