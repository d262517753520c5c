"""The addresses of the pages about people."""

from django.urls import path

from audiences.views import (
    audiences,
    composition,
    consent,
    detail,
    imports,
    people,
    rules,
    suppression,
)

app_name = "audiences"
urlpatterns = [
    path("", audiences.show_list, name="list"),
    path("new/", rules.create, name="create"),
    path("new/composition/", composition.compose, name="compose"),
    path("new/subscription/", composition.subscribe, name="subscribe"),
    path("<int:pk>/composition/", composition.recompose, name="recompose"),
    path("import/", imports.upload, name="import"),
    path("imports/<int:pk>/", imports.import_status, name="import_status"),
    path("imports/<int:pk>/check/", imports.import_check, name="import_check"),
    path("imports/<int:pk>/rejected.csv", imports.import_rejected, name="import_rejected"),
    path("imports/<int:pk>/<slug:verb>/", imports.import_act, name="import_act"),
    path("profiles/", people.profiles, name="profiles"),
    path("profiles/<int:pk>/", people.profile, name="profile"),
    path("profiles/<int:pk>/export.json", people.profile_export, name="profile_export"),
    path("profiles/<int:pk>/consents/", consent.consents, name="consents"),
    path("profiles/<int:pk>/erase/", consent.erase, name="erase"),
    path("topics/", consent.topics, name="topics"),
    path("topics/new/", consent.topic_create, name="topic_create"),
    path("topics/<int:pk>/", consent.topic, name="topic"),
    path("topics/<int:pk>/archive/", consent.topic_archive, name="topic_archive"),
    path("suppression/", suppression.show_list, name="suppression"),
    path("suppression/export.csv", suppression.export, name="suppression_export"),
    path("suppression/<int:pk>/remove/", suppression.remove, name="suppression_remove"),
    path("<int:pk>/edit/", rules.edit, name="edit"),
    path("<int:pk>/", detail.detail, name="detail"),
    path("<int:pk>/evaluate/", detail.evaluate_now, name="evaluate"),
    path("<int:pk>/why/", detail.why, name="why"),
    path("<int:pk>/sample/", detail.sample, name="sample"),
    path("<int:pk>/unreached/<slug:channel>/<slug:code>/", detail.unreached, name="unreached"),
    path("<int:pk>/settings/", audiences.settings, name="settings"),
    path("<int:pk>/share/", audiences.share, name="share"),
    path("<int:pk>/act/<slug:verb>/", audiences.act, name="act"),
    path("<int:pk>/delete/", audiences.delete, name="delete"),
]
