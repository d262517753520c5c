"""What many contents are made from: fragments, of which only what is published is taken into a message;
templates, with which one begins; and assets, the pictures and files of the library.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AccessLabel, User, Workspace


class Kept(models.Model):
    """What everything in the library has: where it lies, how it is found, and who may see it."""

    folder = models.CharField(_("folder"), max_length=100, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    labels = models.ManyToManyField(AccessLabel, blank=True, related_name="+", verbose_name=_("labels"))

    class Meta:
        abstract = True


class Version(models.Model):
    """What one of them said once. It never changes; `number` counts from 1 for each."""

    number = models.PositiveIntegerField()
    saved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    saved_at = models.DateTimeField()

    class Meta:
        abstract = True
        default_permissions = ()
        ordering = ["-number"]


class Fragment(Kept):
    """A piece that contents take in by its key: `{{ fragment("footer") }}`.

    `source` is the draft; `published` is what is taken in. The key never changes, as contents name it.
    """

    class Kind(models.TextChoices):
        MJML = "mjml", _("Part of a design (MJML)")
        HTML = "html", _("Part of a page (HTML)")
        TEXT = "text", _("Expression or text")

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="fragments")
    key = models.CharField(_("key"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=4, choices=Kind)
    source = models.TextField(_("what it says"), blank=True)
    published = models.ForeignKey(
        "FragmentVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    edited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("fragment")
        verbose_name_plural = _("fragments")
        default_permissions = ()
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["workspace", "key"], name="fragment_key_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        if self.archived_at:
            return "archived"
        return "published" if self.published_id else "draft"

    @property
    def state_label(self) -> str:
        return str({"archived": _("Archived"), "published": _("Published"), "draft": _("Draft")}[self.state])

    @property
    def tag(self) -> str:
        """What takes it in. A part of a design stands alone between elements."""
        tag = f'{{{{ fragment("{self.key}") }}}}'
        return f"<mj-raw>{tag}</mj-raw>" if self.kind == self.Kind.MJML else tag

    @property
    def has_changes(self) -> bool:
        """Whether the draft says something else than what is published."""
        return self.published is None or self.published.source != self.source


class FragmentVersion(Version):
    """What was published: frozen campaigns name it by its number."""

    fragment = models.ForeignKey(Fragment, on_delete=models.CASCADE, related_name="versions")
    source = models.TextField()

    class Meta(Version.Meta):
        constraints = [models.UniqueConstraint(fields=["fragment", "number"], name="fragment_version_once")]

    def __str__(self) -> str:
        return f"{self.fragment_id} v{self.number}"


class Asset(Kept):
    """A picture or file of the library. It never changes; `token` is its part of the public address.

    `width` and `height` are pixels of a picture; `widths` are those of its narrower copies. `held` counts the
    octets of all of them.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="assets")
    name = models.CharField(_("file name"), max_length=200)
    description = models.CharField(_("description"), max_length=300, blank=True)
    kind = models.CharField(_("kind"), max_length=100)
    size = models.PositiveIntegerField()
    held = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    widths = ArrayField(models.PositiveIntegerField(), default=list)
    token = models.CharField(max_length=32, unique=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        default_permissions = ()
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_picture(self) -> bool:
        return self.width is not None

    @property
    def smallest(self) -> int:
        """The width to show among many; 0: itself."""
        return self.widths[0] if self.widths else 0

    def path(self, width: int = 0) -> str:
        """Where the storage keeps it, or its copy of that width."""
        return f"assets/{self.workspace_id}/{self.token}/{width or 'whole'}"


class ContentTemplate(Kept):
    """A content to begin with, of one channel. Nothing follows it: what began with it goes its own way.

    `content` has the keys of `contents.EDITED`, as an action's has.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="content_templates")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=300, blank=True)
    channel = models.CharField(_("channel"), max_length=20)
    content = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    edited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        default_permissions = ()
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="template_name_once")]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(Version):
    """What a template said after each save; `number` is the template's revision then."""

    template = models.ForeignKey(ContentTemplate, on_delete=models.CASCADE, related_name="versions")
    content = models.JSONField()

    class Meta(Version.Meta):
        constraints = [models.UniqueConstraint(fields=["template", "number"], name="template_version_once")]

    def __str__(self) -> str:
        return f"{self.template_id} v{self.number}"
