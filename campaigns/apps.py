from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        """Lends audiences the conditions that only campaigns can answer."""
        from audiences.rules import engagement
        from campaigns import fields

        engagement.lend(fields.ENGAGEMENTS, fields.campaign_name)
