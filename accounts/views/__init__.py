"""The doors of accounts: signing in and out, preferences, the welcome of a new person, API credentials."""

from accounts.views.credentials import revoke_credential, rotate_credential, show_credentials
from accounts.views.preferences import choose_workspace, preferences
from accounts.views.sign_in import SignIn, SignOut, Welcome

__all__ = [
    "SignIn",
    "SignOut",
    "Welcome",
    "choose_workspace",
    "preferences",
    "revoke_credential",
    "rotate_credential",
    "show_credentials",
]
