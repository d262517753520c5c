"""The REST addresses about carriers, below /api/."""

from django.urls import path

from channels.api import configurations, domains

app_name = "channels_api"
urlpatterns = [
    path("channel-configurations/", configurations.Configurations.as_view(), name="configurations"),
    path("channel-configurations/<int:pk>/", configurations.OneConfiguration.as_view(), name="configuration"),
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
    path("sending-domains/", domains.Domains.as_view(), name="domains"),
    path("sending-domains/<int:pk>/", domains.OneDomain.as_view(), name="domain"),
    path("sending-domains/<int:pk>/check/", domains.Check.as_view(), name="domain_check"),
]
