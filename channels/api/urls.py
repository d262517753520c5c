"""The REST addresses about carriers, below /api/."""

from django.urls import path

from channels.api import configurations, domains, limits, mailfiles, rulesets, shares, warmups

app_name = "channels_api"
urlpatterns = [
    path("channel-configurations/", configurations.Configurations.as_view(), name="configurations"),
    path("channel-configurations/<int:pk>/", configurations.OneConfiguration.as_view(), name="configuration"),
    path("channel-configurations/<int:pk>/files/", mailfiles.Files.as_view(), name="mail_files"),
    path(
        "channel-configurations/<int:pk>/files/<int:file>/retry/",
        mailfiles.Retry.as_view(),
        name="mail_file_retry",
    ),
    path("channel-configurations/<int:pk>/test/", configurations.Test.as_view(), name="configuration_test"),
    path(
        "channel-configurations/<int:pk>/versions/",
        configurations.Versions.as_view(),
        name="configuration_versions",
    ),
    *(
        path(
            f"channel-configurations/<int:pk>/{verb}/",
            configurations.verb_view(verb),
            name=f"configuration_{verb}",
        )
        for verb in configurations.PRESSED
    ),
    path("channel-configurations/<int:pk>/shares/", shares.Shares.as_view(), name="configuration_shares"),
    path(
        "channel-configurations/<int:pk>/shares/<str:holder>/",
        shares.OneShare.as_view(),
        name="configuration_share",
    ),
    path("sending-domains/", domains.Domains.as_view(), name="domains"),
    path("sending-domains/<int:pk>/", domains.OneDomain.as_view(), name="domain"),
    path("sending-domains/<int:pk>/check/", domains.Check.as_view(), name="domain_check"),
    path(
        "channel-configurations/<int:pk>/limits/",
        limits.ConfigurationLimits.as_view(),
        name="configuration_limits",
    ),
    path("allowed/", limits.Allowed.as_view(), name="allowed"),
    path("allowed/state/", limits.AllowedState.as_view(), name="allowed_state"),
    path("allowed/<int:pk>/", limits.OneAllowed.as_view(), name="allowed_entry"),
    path("warm-up-plans/", warmups.Warmups.as_view(), name="warmups"),
    path("warm-up-plans/<int:pk>/", warmups.OneWarmup.as_view(), name="warmup"),
    path("warm-up-plans/<int:pk>/start/", warmups.Start.as_view(), name="warmup_start"),
    path("warm-up-plans/<int:pk>/complete/", warmups.Complete.as_view(), name="warmup_complete"),
    path("rule-sets/", rulesets.RuleSets.as_view(), name="rule_sets"),
    path("rule-sets/<int:pk>/", rulesets.OneRuleSet.as_view(), name="rule_set"),
    path("rule-sets/<int:pk>/rules/", rulesets.Rules.as_view(), name="rules"),
    path("rule-sets/<int:pk>/rules/<int:rule>/", rulesets.OneRule.as_view(), name="rule"),
    *(
        path(f"rule-sets/<int:pk>/{verb}/", rulesets.switch_view(verb), name=f"rule_set_{verb}")
        for verb in ("activate", "deactivate")
    ),
    *(
        path(
            f"rule-sets/<int:pk>/rules/<int:rule>/{verb}/",
            rulesets.switch_rule_view(verb),
            name=f"rule_{verb}",
        )
        for verb in ("activate", "deactivate")
    ),
]
