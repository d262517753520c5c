"""The REST addresses about people, below /api/."""

from django.urls import path

from audiences import lifecycle
from audiences.api import (
    addresses,
    attributes,
    audiences,
    consent,
    events,
    imports,
    profiles,
    shares,
    suppression,
)
from audiences.imports import jobs

app_name = "people_api"
urlpatterns = [
    path("profiles/", profiles.Profiles.as_view(), name="profiles"),
    path("profiles/bulk/", profiles.BulkWrite.as_view(), name="profiles_bulk"),
    path("profiles/<int:pk>/", profiles.OneProfile.as_view(), name="profile"),
    path("profiles/<int:pk>/events/", profiles.ProfileEvents.as_view(), name="profile_events"),
    path("profiles/<int:pk>/consents/", consent.ProfileConsents.as_view(), name="profile_consents"),
    path(
        "profiles/<int:pk>/consents/history/",
        consent.ProfileConsentHistory.as_view(),
        name="profile_consent_history",
    ),
    path("profiles/<int:pk>/identities/", profiles.ProfileIdentities.as_view(), name="profile_identities"),
    path(
        "profiles/<int:pk>/identities/<str:namespace>/<path:value>/",
        profiles.ProfileIdentity.as_view(),
        name="profile_identity",
    ),
    path("profiles/<str:namespace>/<path:value>/", profiles.NamedProfile.as_view(), name="named_profile"),
    path("addresses/", addresses.Addresses.as_view(), name="addresses"),
    path(
        "channel-configurations/<int:pk>/addresses/",
        addresses.ConfigurationAddresses.as_view(),
        name="configuration_addresses",
    ),
    path("attributes/", attributes.Attributes.as_view(), name="attributes"),
    path("attributes/<str:key>/", attributes.OneAttribute.as_view(), name="attribute"),
    path("namespaces/", attributes.Namespaces.as_view(), name="namespaces"),
    path("namespaces/<str:key>/", attributes.OneNamespace.as_view(), name="namespace"),
    path("events/", events.Events.as_view(), name="events"),
    path("consents/", consent.Consents.as_view(), name="consents"),
    path("topics/", consent.Topics.as_view(), name="topics"),
    path("topics/<int:pk>/", consent.OneTopic.as_view(), name="topic"),
    path("topics/<int:pk>/archive/", consent.ArchiveTopic.as_view(), name="topic_archive"),
    path("topics/<int:pk>/reopen/", consent.ReopenTopic.as_view(), name="topic_reopen"),
    path("suppressions/", suppression.Suppressions.as_view(), name="suppressions"),
    path("suppressions/<int:pk>/", suppression.OneSuppression.as_view(), name="suppression"),
    path("imports/", imports.Imports.as_view(), name="imports"),
    path("imports/events/", imports.EventImports.as_view(), name="import_events"),
    path("imports/<int:pk>/", imports.OneImport.as_view(), name="import"),
    path("imports/<int:pk>/check/", imports.Check.as_view(), name="import_check"),
    path("imports/<int:pk>/rejected.csv", imports.Rejected.as_view(), name="import_rejected"),
    *(
        path(f"imports/<int:pk>/{verb}/", imports.verb_view(verb), name=f"import_{verb}")
        for verb in jobs.VERBS
    ),
    path("audiences/", audiences.Audiences.as_view(), name="audiences"),
    path("audiences/<int:pk>/", audiences.OneAudience.as_view(), name="audience"),
    path("audiences/<int:pk>/evaluate/", audiences.Evaluate.as_view(), name="audience_evaluate"),
    path("audiences/<int:pk>/sizes/", audiences.Sizes.as_view(), name="audience_sizes"),
    path("audiences/<int:pk>/explain/", audiences.Explain.as_view(), name="audience_explain"),
    path("audiences/<int:pk>/members/", audiences.Members.as_view(), name="audience_members"),
    path("audiences/<int:pk>/shares/", shares.Shares.as_view(), name="audience_shares"),
    path("audiences/<int:pk>/shares/<str:holder>/", shares.OneShare.as_view(), name="audience_share"),
    *(
        path(f"audiences/<int:pk>/{verb}/", audiences.verb_view(verb), name=f"audience_{verb}")
        for verb in lifecycle.PRESSABLE
        if verb != "delete"
    ),
]
