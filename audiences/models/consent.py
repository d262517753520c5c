"""What people allow, what they subscribed to, and the addresses nobody writes to."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Workspace
from audiences.models.profile import Profile


class Topic(models.Model):
    """A subscription list: what a person may want to hear about. Archived ones are no longer offered."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="topics")
    key = models.CharField(_("key"), max_length=63)
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    is_public = models.BooleanField(_("offered on the preference page"), default=True)
    double_opt_in = models.BooleanField(_("asks to confirm by email"), default=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        default_permissions = ()
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="topic_key_once"),
            models.UniqueConstraint(fields=["workspace", "name"], name="topic_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class ConsentState(models.TextChoices):
    YES = "yes", _("agreed")
    NO = "no", _("opted out")
    PENDING = "pending", _("not confirmed yet")


class Statement(models.Model):
    """What a person said about a channel, or about one topic on it, and how we know."""

    channel = models.CharField(max_length=20)
    state = models.CharField(max_length=7, choices=ConsentState)
    source = models.CharField(max_length=60)
    wording = models.CharField(max_length=1000, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        abstract = True


class Consent(Statement):
    """What a person last said. No row means consent was never withdrawn, and no topic was subscribed to.

    Without a topic it speaks of the whole channel; “no” there stands above every topic.
    """

    State = ConsentState
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="consents")
    topic = models.ForeignKey(Topic, null=True, on_delete=models.CASCADE, related_name="consents")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "channel", "topic"], name="consent_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.state}"


class ConsentEntry(Statement):
    """The history, written once. A trigger refuses change; only erasing the person removes it."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="consent_history")
    topic = models.ForeignKey(Topic, null=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        ordering = ["-at", "-id"]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update),
            pgtrigger.Trigger(
                name="kept_until_erased",
                operation=pgtrigger.Delete,
                when=pgtrigger.Before,
                func="IF current_setting('carillon.erasing', TRUE) = 'on' THEN RETURN OLD; END IF; "
                "RAISE EXCEPTION 'the history of consent is append-only';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} {self.channel}: {self.state}"


class Confirmation(models.Model):
    """Somebody gave an address for a topic, and its owner has to confirm. While `due_at` is set this row is
    the queue of the mail that asks them; `problem` says why none was sent.
    """

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="+")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="+")
    wording = models.CharField(max_length=1000)
    language = models.CharField(max_length=10)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["profile", "topic"], name="confirmation_once")]
        indexes = [
            models.Index(fields=["due_at"], name="confirmation_due", condition=models.Q(due_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SubscriptionCount(models.Model):
    """How often one network asked to subscribe anybody in one hour. The network is kept as a hash."""

    pk = models.CompositePrimaryKey("network", "hour")
    network = models.CharField(max_length=32)
    hour = models.DateTimeField()
    asked = models.IntegerField(default=1)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}: {self.asked}"


OWN_REASONS = {
    "bounce": _("the address does not exist"),
    "soft bounce": _("could not take messages several times"),
    "complaint": _("complained"),
    "unsubscribe": _("unsubscribed"),
    "unsubscribed by reply": _("unsubscribed by reply"),
    "erased": _("erased on request"),
}


class Suppression(models.Model):
    """An address nobody in the workspace writes to, whoever owns it. It outlives the profile.

    `address` is in its stored form, or a whole domain as “@example.com”, or, after an erasure, only the hash
    of an address (see `audiences/suppression.py`).
    """

    class Kind(models.TextChoices):
        ADDRESS = "address", _("address")
        DOMAIN = "domain", _("domain")
        HASH = "hash", _("erased address")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE)
    channel = models.CharField(max_length=20)
    kind = models.CharField(max_length=7, choices=Kind, default=Kind.ADDRESS)
    address = models.CharField(max_length=254)
    reason = models.CharField(max_length=60)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("suppressed address")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workspace", "channel", "address"], name="suppression_once")
        ]
        # Whether there is any domain or hash at all is asked before each address is taken apart.
        indexes = [
            models.Index(
                fields=["kind", "channel"],
                name="suppression_not_plain",
                condition=models.Q(kind__in=["domain", "hash"]),
            )
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def told(self) -> str:
        """The reason in the reader's language, where it is one the product itself gives."""
        return str(OWN_REASONS.get(self.reason, self.reason))


class SoftBounce(models.Model):
    """When messages to an address were given up for what may pass (see `audiences/softbounces.py`)."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=20)
    address = models.CharField(max_length=254)
    times = ArrayField(models.DateTimeField())
    last_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["workspace", "channel", "address"], name="soft_bounces_once")
        ]
        indexes = [models.Index(fields=["last_at"], name="soft_bounces_last")]

    def __str__(self) -> str:
        return f"{self.address}: {len(self.times)}"
