from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        """Hears of erased people, lends audiences the conditions that only campaigns can answer, names its
        notices, keeps the files that mails carry, and tells channels what sends by them.
        """
        from accounts import notices
        from audiences.erasure import profile_erased
        from audiences.rules import engagement
        from campaigns import alerts, configurations, fields
        from campaigns.delivery import files
        from campaigns.erasure import forget
        from channels import attachments, uses

        uses.lend(configurations.running_over)
        attachments.register(files.fetch)
        notices.register(*alerts.KINDS)
        profile_erased.connect(forget, dispatch_uid="campaigns.forget")
        engagement.lend(fields.ENGAGEMENTS, fields.campaign_name, fields.campaigns_for)
