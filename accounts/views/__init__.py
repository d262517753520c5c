"""The doors of accounts: signing in and out, preferences, the welcome of a new person, API credentials."""

from accounts.views.administration import administration, delete_role, edit_role, show_log
from accounts.views.credentials import revoke_credential, rotate_credential, show_credentials
from accounts.views.notices import prefer_notices, read_notice, show_notices
from accounts.views.own import own_account, sign_out_elsewhere
from accounts.views.preferences import choose_workspace, preferences
from accounts.views.sign_in import SecondStep, SignIn, SignOut, Welcome
from accounts.views.two_steps import two_steps

__all__ = [
    "SecondStep",
    "SignIn",
    "SignOut",
    "Welcome",
    "administration",
    "choose_workspace",
    "delete_role",
    "edit_role",
    "own_account",
    "prefer_notices",
    "preferences",
    "read_notice",
    "revoke_credential",
    "rotate_credential",
    "show_credentials",
    "show_log",
    "show_notices",
    "sign_out_elsewhere",
    "two_steps",
]
