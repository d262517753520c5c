"""Signing in and out, and choosing the first password from an invitation."""

from __future__ import annotations

from django.contrib.auth import views
from django.urls import reverse_lazy


class SignIn(views.LoginView):
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True


class SignOut(views.LogoutView):
    http_method_names = ["post", "options"]


class Welcome(views.PasswordResetConfirmView):
    """The link in an invitation: choose a password and be signed in. It works once and for three days."""

    template_name = "accounts/welcome.html"
    success_url = reverse_lazy("home")
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"
