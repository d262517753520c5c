"""What the audit log records, in words: one line for each verb. A kind of object is named as its model is."""

from __future__ import annotations

from django.apps import apps
from django.utils.text import capfirst
from django.utils.translation import pgettext, pgettext_lazy

from accounts.models import AuditEntry

VERBS = {
    "create": pgettext_lazy("audit log", "Created"),
    "change": pgettext_lazy("audit log", "Changed"),
    "update": pgettext_lazy("audit log", "Changed while active"),
    "save": pgettext_lazy("audit log", "Saved"),
    "delete": pgettext_lazy("audit log", "Deleted"),
    "duplicate": pgettext_lazy("audit log", "Duplicated"),
    "comment": pgettext_lazy("audit log", "Commented"),
    "share": pgettext_lazy("audit log", "Shared"),
    "unshare": pgettext_lazy("audit log", "Sharing withdrawn"),
    "move": pgettext_lazy("audit log", "Moved to a folder"),
    "tag": pgettext_lazy("audit log", "Tags changed"),
    "label": pgettext_lazy("audit log", "Access labels changed"),
    "own": pgettext_lazy("audit log", "Owner changed"),
    "restore": pgettext_lazy("audit log", "Earlier version restored"),
    "publish": pgettext_lazy("audit log", "Published"),
    "upload": pgettext_lazy("audit log", "Uploaded"),
    "proof": pgettext_lazy("audit log", "Proof sent"),
    "preflight": pgettext_lazy("audit log", "Checked before sending"),
    "archive": pgettext_lazy("audit log", "Archived"),
    "unarchive": pgettext_lazy("audit log", "Taken out of the archive"),
    "purge": pgettext_lazy("audit log", "Purged from the archive"),
    "request_approval": pgettext_lazy("audit log", "Approval requested"),
    "cancel_request": pgettext_lazy("audit log", "Request cancelled"),
    "request_changes": pgettext_lazy("audit log", "Changes requested"),
    "approve": pgettext_lazy("audit log", "Approved"),
    "edit": pgettext_lazy("audit log", "Back to draft"),
    "activate": pgettext_lazy("audit log", "Activated"),
    "deactivate": pgettext_lazy("audit log", "Deactivated"),
    "modify": pgettext_lazy("audit log", "New version begun"),
    "discard": pgettext_lazy("audit log", "New version discarded"),
    "start": pgettext_lazy("audit log", "Started"),
    "pause": pgettext_lazy("audit log", "Paused"),
    "resume": pgettext_lazy("audit log", "Resumed"),
    "stop": pgettext_lazy("audit log", "Stopped"),
    "complete": pgettext_lazy("audit log", "Completed"),
    "fail": pgettext_lazy("audit log", "Failed"),
    "miss": pgettext_lazy("audit log", "Run missed"),
    "choose_winner": pgettext_lazy("audit log", "Winner chosen"),
    "decide_uncertain": pgettext_lazy("audit log", "Uncertain messages decided"),
    "ask_provider": pgettext_lazy("audit log", "Provider asked"),
    "cancel_execution": pgettext_lazy("audit log", "Call cancelled"),
    "allow_sending": pgettext_lazy("audit log", "Sending allowed"),
    "stop_sending": pgettext_lazy("audit log", "Sending stopped"),
    "order_report": pgettext_lazy("audit log", "Report by mail ordered"),
    "change_report": pgettext_lazy("audit log", "Report by mail changed"),
    "send_report": pgettext_lazy("audit log", "Report by mail sent at once"),
    "cancel_report": pgettext_lazy("audit log", "Report by mail cancelled"),
    "switch on": pgettext_lazy("audit log", "Switched on"),
    "switch off": pgettext_lazy("audit log", "Switched off"),
    "send again": pgettext_lazy("audit log", "Sent again"),
    "set up two steps": pgettext_lazy("audit log", "Two-step sign-in set up"),
    "end two steps": pgettext_lazy("audit log", "Two-step sign-in ended"),
    "renew codes": pgettext_lazy("audit log", "Recovery codes renewed"),
    "rotate": pgettext_lazy("audit log", "Secret renewed"),
    "change password": pgettext_lazy("audit log", "Password changed"),
    "sign out elsewhere": pgettext_lazy("audit log", "Signed out everywhere else"),
    "issue": pgettext_lazy("audit log", "Credential issued"),
    "revoke": pgettext_lazy("audit log", "Credential revoked"),
    "grant role": pgettext_lazy("audit log", "Role given"),
    "revoke role": pgettext_lazy("audit log", "Role taken away"),
    "sign in": pgettext_lazy("audit log", "Signed in"),
    "slow sign-in": pgettext_lazy("audit log", "Sign-in slowed after wrong passwords"),
    "name stand-in": pgettext_lazy("audit log", "Stand-in named"),
    "end stand-in": pgettext_lazy("audit log", "Stand-in ended"),
    "choose_addresses": pgettext_lazy("audit log", "Fields for addresses chosen"),
    "allow": pgettext_lazy("audit log", "Address allowed"),
    "disallow": pgettext_lazy("audit log", "Address taken off the allowed list"),
    "activate_allowed_list": pgettext_lazy("audit log", "Allowed list activated"),
    "deactivate_allowed_list": pgettext_lazy("audit log", "Allowed list deactivated"),
    "suppress": pgettext_lazy("audit log", "Address suppressed"),
    "unsuppress": pgettext_lazy("audit log", "Suppression lifted"),
    "export_suppression": pgettext_lazy("audit log", "Suppression list exported"),
    "record consent": pgettext_lazy("audit log", "Consent recorded"),
    "write_profiles": pgettext_lazy("audit log", "Profiles written"),
    "change_profile": pgettext_lazy("audit log", "Profile changed"),
    "erase_profile": pgettext_lazy("audit log", "Profile erased"),
    "export_profiles": pgettext_lazy("audit log", "Profiles exported"),
    "record_events": pgettext_lazy("audit log", "Events recorded"),
    "add_namespace": pgettext_lazy("audit log", "Identity namespace added"),
    "remove_namespace": pgettext_lazy("audit log", "Identity namespace removed"),
    "attach_identity": pgettext_lazy("audit log", "Identity attached"),
    "detach_identity": pgettext_lazy("audit log", "Identity detached"),
    "create_topic": pgettext_lazy("audit log", "Topic created"),
    "change_topic": pgettext_lazy("audit log", "Topic changed"),
    "archive_topic": pgettext_lazy("audit log", "Topic archived"),
    "reopen_topic": pgettext_lazy("audit log", "Topic opened again"),
    "define_attribute": pgettext_lazy("audit log", "Attribute defined"),
    "change_attribute": pgettext_lazy("audit log", "Attribute changed"),
    "remove_attribute": pgettext_lazy("audit log", "Attribute removed"),
    "convert_attribute": pgettext_lazy("audit log", "Attribute converted"),
    "refuse_conversion": pgettext_lazy("audit log", "Conversion of an attribute refused"),
    "want_index": pgettext_lazy("audit log", "Index asked for"),
    "drop_index": pgettext_lazy("audit log", "Index dropped"),
    "upload_import": pgettext_lazy("audit log", "Import uploaded"),
    "check_import": pgettext_lazy("audit log", "Import checked"),
    "start_import": pgettext_lazy("audit log", "Import started"),
    "pause_import": pgettext_lazy("audit log", "Import paused"),
    "resume_import": pgettext_lazy("audit log", "Import resumed"),
    "remap_import": pgettext_lazy("audit log", "Import mapped anew"),
    "cancel_import": pgettext_lazy("audit log", "Import cancelled"),
    "complete_import": pgettext_lazy("audit log", "Import completed"),
    "change_limits": pgettext_lazy("audit log", "Limits changed"),
    "check": pgettext_lazy("audit log", "Checked"),
    "add_rule": pgettext_lazy("audit log", "Rule added"),
    "change_rule": pgettext_lazy("audit log", "Rule changed"),
    "delete_rule": pgettext_lazy("audit log", "Rule deleted"),
    "activate_rule": pgettext_lazy("audit log", "Rule activated"),
    "deactivate_rule": pgettext_lazy("audit log", "Rule deactivated"),
    "retry_file": pgettext_lazy("audit log", "File tried again"),
    "deliver_file": pgettext_lazy("audit log", "File delivered"),
    "fail_file": pgettext_lazy("audit log", "File failed"),
    "breaker_opened": pgettext_lazy("audit log", "Sending held after many failures"),
    "breaker_closed": pgettext_lazy("audit log", "Sending goes on after many failures"),
}


def verb_in_words(verb: str) -> str:
    """One that an older release recorded, and nobody records now, is shown as it stands."""
    return str(VERBS.get(verb, verb.replace("_", " ")))


def who_in_words(entry: AuditEntry) -> str:
    """As recorded; what Carillon itself did is told in the reader's language."""
    return str(pgettext("audit log", "the clock")) if entry.actor_key == "system" else entry.actor


def kind_in_words(label: str) -> str:
    """`label` is “app.model”; a kind that exists no more is shown as it stands."""
    try:
        return capfirst(str(apps.get_model(label)._meta.verbose_name))
    except LookupError:
        return label
