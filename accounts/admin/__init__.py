"""The admin site of accounts: who holds which role or label, people, workspaces, credentials, the audit log.

It shows and asks; every change goes through the verbs (`roles`, `people`, `labels`), so rights, audit log and
mail are the same as anywhere else. Being a superuser opens people and new workspaces, never a role's holders.
"""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin  # noqa: F401  registers Group, which is taken off below
from django.contrib.auth.models import Group

from accounts.admin import access_labels, holders, log, users, workspaces  # noqa: F401  each registers its own

# A role is a group underneath; changing one there would pass by the verbs.
admin.site.unregister(Group)
