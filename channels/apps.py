from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChannelsConfig(AppConfig):
    name = "channels"
    verbose_name = _("Channels")

    def ready(self) -> None:
        from accounts import roles
        from channels import rulesets

        roles.BORN_WITH.append(rulesets.make_global)
