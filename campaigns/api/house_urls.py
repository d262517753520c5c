"""The REST addresses of campaigns below /api/; those below /ajo/ are the reference product's (`urls.py`)."""

from django.urls import path

from campaigns.api import (
    campaigns,
    contents,
    feedback,
    folders,
    fragments,
    reports,
    runs,
    seeds,
    versions,
    why,
)

app_name = "campaigns_api"
urlpatterns = [
    path("campaigns/", campaigns.Campaigns.as_view(), name="campaigns"),
    path("campaigns/<int:pk>/", campaigns.OneCampaign.as_view(), name="campaign"),
    path("campaigns/<int:pk>/actions/<slug:verb>/", campaigns.Act.as_view(), name="campaign_act"),
    path("campaigns/<int:pk>/findings/", campaigns.Findings.as_view(), name="campaign_findings"),
    path("campaigns/<int:pk>/forecast/", campaigns.Forecast.as_view(), name="campaign_forecast"),
    path("campaigns/<int:pk>/upcoming/", campaigns.Upcoming.as_view(), name="campaign_upcoming"),
    path("campaigns/<int:pk>/contents/", contents.Contents.as_view(), name="campaign_contents"),
    path("campaigns/<int:pk>/contents/<int:position>/", contents.OneAction.as_view(), name="campaign_action"),
    path(
        "campaigns/<int:pk>/contents/<int:position>/content/",
        contents.OneContent.as_view(),
        name="campaign_content",
    ),
    path("campaigns/<int:pk>/versions/", versions.Versions.as_view(), name="campaign_versions"),
    path("campaigns/<int:pk>/versions/compare/", versions.Compare.as_view(), name="campaign_compare"),
    path("campaigns/<int:pk>/runs/", runs.Runs.as_view(), name="campaign_runs"),
    path("runs/<int:pk>/", runs.OneRun.as_view(), name="run"),
    path("runs/<int:pk>/report/", reports.RunReport.as_view(), name="run_report"),
    path("campaigns/<int:pk>/report/", reports.CampaignReport.as_view(), name="campaign_report"),
    path("reports/", reports.WorkspaceReport.as_view(), name="workspace_report"),
    path("why/", why.Why.as_view(), name="why"),
    path("reports/compare/", reports.Comparison.as_view(), name="report_comparison"),
    path("runs/<int:pk>/messages/", runs.RunMessages.as_view(), name="run_messages"),
    path("folders/", folders.Folders.as_view(), name="folders"),
    path("folders/<int:pk>/", folders.OneFolder.as_view(), name="folder"),
    path("fragments/", fragments.Fragments.as_view(), name="fragments"),
    path("fragments/<int:pk>/", fragments.OneFragment.as_view(), name="fragment"),
    path("fragments/<int:pk>/publish/", fragments.PublishFragment.as_view(), name="fragment_publish"),
    path("fragments/<int:pk>/archive/", fragments.ArchiveFragment.as_view(), name="fragment_archive"),
    path("fragments/<int:pk>/versions/", fragments.FragmentVersions.as_view(), name="fragment_versions"),
    path("fragments/<int:pk>/uses/", fragments.FragmentUses.as_view(), name="fragment_uses"),
    path("tags/", folders.Tags.as_view(), name="tags"),
    path("feedback-webhooks/", feedback.Endpoints.as_view(), name="feedback_webhooks"),
    path("feedback-webhooks/<int:pk>/", feedback.OneEndpoint.as_view(), name="feedback_webhook"),
    path("feedback-webhooks/<int:pk>/deliveries/", feedback.Deliveries.as_view(), name="feedback_deliveries"),
    path("feedback-webhooks/<int:pk>/actions/<slug:verb>/", feedback.Act.as_view(), name="feedback_act"),
    path("seed-lists/", seeds.SeedLists.as_view(), name="seed_lists"),
    path("seed-lists/<int:pk>/", seeds.OneSeedList.as_view(), name="seed_list"),
]
