"""A campaign as its authors see it, and the frozen versions that reviewers and the engine see.

The draft is edited in place (Campaign, Action). Asking for approval, or activating, freezes it into a
Version whose SHA-256 an approval binds to; a run reads only the version.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from accounts.models import AccessLabel, User, Workspace
from audiences.models import Audience
from channels.models import ChannelConfiguration, RuleSet


class Status(models.TextChoices):
    DRAFT = "draft", _("Draft")
    IN_REVIEW = "in_review", _("In review")
    APPROVED = "approved", _("Approved")
    SCHEDULED = "scheduled", _("Scheduled")
    LIVE = "live", _("Live")
    PAUSED = "paused", _("Paused")
    STOPPED = "stopped", _("Stopped")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    ARCHIVED = "archived", _("Archived")


WRITTEN = (Status.DRAFT, Status.IN_REVIEW, Status.APPROVED)


class Folder(models.Model):
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="campaign_folders")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children", verbose_name=_("in")
    )
    name = models.CharField(_("name"), max_length=100)

    class Meta:
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        default_permissions = ()
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "parent", "name"], name="folder_name_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.name


class Campaign(models.Model):
    """The plain JSON of a draft: `schedule` and `waves` as `schedule.py` reads them, `languages` and
    `experiment` as `variants.py` does; each is empty where the author chose nothing.

    `version` is what was frozen last, for review or to be sent; `live_version` is what runs. While a new
    version of a live campaign is being written, `draft_status` says how far it is: these rows are then that
    draft, and `before_draft` is what discarding it brings back.
    """

    class Type(models.TextChoices):
        SCHEDULED = "scheduled", pgettext_lazy("type of campaign", "Scheduled")
        API_TRIGGERED = "api_triggered", _("API-triggered")

    class Category(models.TextChoices):
        MARKETING = "marketing", _("Marketing")
        TRANSACTIONAL = "transactional", _("Transactional")

    class OnUncertain(models.TextChoices):
        RESEND = "resend", _("Send again with the same Message-ID")
        ASK = "ask", _("Ask the provider, where it can tell; never send again")
        NEVER = "never", _("Never send again")

    class Reach(models.TextChoices):
        ALL = "all", _("Everybody over every channel that can reach them")
        FIRST = "first", _("Everybody over the first channel that can reach them")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    type = models.CharField(_("type"), max_length=20, choices=Type, default=Type.SCHEDULED)
    category = models.CharField(_("category"), max_length=20, choices=Category, default=Category.MARKETING)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.DRAFT)
    draft_status = models.CharField(
        _("new version"), max_length=20, blank=True, choices=[(one.value, one.label) for one in WRITTEN]
    )
    before_draft = models.JSONField(default=dict, blank=True, editable=False)
    paused_from = models.CharField(max_length=20, blank=True, editable=False)
    archived_from = models.CharField(max_length=20, blank=True, editable=False)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True, verbose_name=_("tags"))
    folder = models.ForeignKey(
        Folder, null=True, blank=True, on_delete=models.SET_NULL, verbose_name=_("folder"), related_name="+"
    )
    labels = models.ManyToManyField(AccessLabel, blank=True, related_name="+", verbose_name=_("labels"))
    owner = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.SET_NULL, verbose_name=_("owner"), related_name="+"
    )
    audience = models.ForeignKey(
        Audience,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        verbose_name=_("audience"),
        related_name="campaigns",
    )
    exclusions = models.ManyToManyField(
        Audience, blank=True, related_name="excluded_from", verbose_name=_("left out")
    )
    reach = models.CharField(_("reach"), max_length=5, choices=Reach, default=Reach.ALL)
    schedule = models.JSONField(_("schedule"), default=dict, blank=True)
    waves = models.JSONField(_("waves"), default=dict, blank=True)
    rate = models.PositiveIntegerField(
        _("delivery rate"), null=True, blank=True, help_text=_("Messages per second, at most.")
    )
    rule_set = models.ForeignKey(
        RuleSet,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        verbose_name=_("rule set"),
        related_name="campaigns",
        help_text=_("Frequency caps and quiet hours beside those that hold for everything."),
    )
    languages = models.JSONField(_("languages"), default=dict, blank=True)
    experiment = models.JSONField(_("experiment"), default=dict, blank=True)
    starts_at = models.DateTimeField(
        _("start"), null=True, blank=True, help_text=_("Empty: at once, when it is activated.")
    )
    ends_at = models.DateTimeField(_("end"), null=True, blank=True)
    create_profiles = models.BooleanField(
        _("create new profiles"),
        default=False,
        help_text=_("Off: a call that names an unknown recipient is refused."),
    )
    high_throughput = models.BooleanField(
        _("high throughput"),
        default=False,
        help_text=_("Calls bring everything themselves: no profile is looked up, and none is made."),
    )
    enable_webhooks = models.BooleanField(
        _("tell feedback webhooks"),
        default=True,
        db_default=True,
        help_text=_("Off: no feedback webhook hears what becomes of its messages."),
    )
    on_uncertain = models.CharField(
        _("when it is uncertain whether a message left"),
        max_length=10,
        choices=OnUncertain,
        default=OnUncertain.RESEND,
    )
    ignores_opens = models.BooleanField(_("do not record who opens an email"), default=False)
    ignores_clicks = models.BooleanField(_("do not record who follows a link"), default=False)
    revision = models.PositiveIntegerField(default=1, editable=False)
    version = models.ForeignKey(
        "Version",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("frozen version"),
    )
    live_version = models.ForeignKey(
        "Version",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("live version"),
    )
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    edited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    submitted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    activated_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    # Who activated it: see accounts/orders.py.
    ordered_by = models.CharField(max_length=40, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    activated_at = models.DateTimeField(_("activated"), null=True, blank=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    purged_at = models.DateTimeField(null=True, blank=True, editable=False)  # nobody sees it any more

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        default_permissions = ()
        permissions = [
            ("view_campaign", "View campaigns"),
            ("view_report", "View reports"),
            ("manage_campaign", "Manage campaigns"),
            ("publish_campaign", "Publish campaigns"),
            ("approve_campaign", "Approve campaigns"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-changed_at"]),
            models.Index(fields=["workspace", "status"]),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def draft_state(self) -> str:
        """How far what is being written is: the campaign itself, or its new version; empty when neither."""
        return self.status if self.status in WRITTEN else self.draft_status

    @draft_state.setter
    def draft_state(self, state: str) -> None:
        if self.status in WRITTEN:
            self.status = state
        else:
            self.draft_status = state

    @property
    def is_editable(self) -> bool:
        return self.draft_state == Status.DRAFT

    @property
    def is_being_modified(self) -> bool:
        return bool(self.draft_status)


class Action(models.Model):
    """One message of the campaign over one channel. `content` has the keys of channels.messages.Content.

    `variants` holds what other languages and treatments say: `[{"treatment", "language", "content"}]`; an
    empty treatment or language means the campaign's first one.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="actions")
    position = models.PositiveSmallIntegerField(default=0)
    channel = models.CharField(_("channel"), max_length=20, default="email")
    configuration = models.ForeignKey(
        ChannelConfiguration,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        verbose_name=_("channel configuration"),
    )
    content = models.JSONField(default=dict)
    variants = models.JSONField(default=list)

    class Meta:
        default_permissions = ()
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["campaign", "position"], name="action_position_once")]

    def __str__(self) -> str:
        return f"{self.channel} {self.position}"


class Version(models.Model):
    """A frozen campaign. `definition` is everything a run needs; `fingerprint` is its SHA-256 in hex.
    `cleared_at` says that it was activated with every approval that was asked for then.

    Each of its actions has `contents`, the default first: a message's `variant` is a place in that list.
    Number 0 is what was sent as a proof: never approved, never live, and in no list of versions.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    fingerprint = models.CharField(max_length=64)
    frozen_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    frozen_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    needs_approval = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "number"], name="version_number_once", condition=models.Q(number__gt=0)
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} v{self.number}"


class Link(models.Model):
    """A destination in a version's content. Clicks go here and nowhere else."""

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="links")
    action = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField()
    url = models.TextField()
    label = models.CharField(max_length=200, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["version", "action", "number"], name="link_number_once")
        ]

    def __str__(self) -> str:
        return self.url


class CampaignUserPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Campaign, on_delete=models.CASCADE)


class CampaignGroupPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Campaign, on_delete=models.CASCADE)
