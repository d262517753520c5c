from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        from audiences.erasure import profile_erased
        from campaigns.erasure import forget

        profile_erased.connect(forget, dispatch_uid="campaigns.forget")
