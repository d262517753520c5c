"""The addresses of the campaign pages. `home` stands outside the namespace: it is everybody's first page."""

from django.urls import include, path

from campaigns.views import (
    beginnings,
    contents,
    editor,
    home,
    lists,
    messages,
    previews,
    review,
    runs,
    schedule,
    seeds,
    triggers,
    versions,
)

pages = [
    path("", lists.show_list, name="list"),
    path("new/", lists.create, name="create"),
    path("seed-lists/", seeds.show_list, name="seed_lists"),
    path("seed-lists/new/", seeds.create, name="seed_list_create"),
    path("seed-lists/<int:pk>/", seeds.edit, name="seed_list"),
    path("seed-lists/<int:pk>/delete/", seeds.delete, name="seed_list_delete"),
    path("<int:pk>/", editor.detail, name="detail"),
    path("<int:pk>/edit/channels/", contents.channels, name="channels"),
    path("<int:pk>/edit/content/", contents.edit, name="content"),
    path("<int:pk>/edit/content/languages/", contents.variants, name="variants"),
    path("<int:pk>/edit/content/begin/", beginnings.begin, name="begin"),
    path("<int:pk>/edit/content/design/<slug:key>/", beginnings.design, name="design"),
    path("<int:pk>/edit/content/copy/", contents.copy, name="copy_content"),
    path("<int:pk>/edit/content/links/", contents.links, name="links"),
    path("<int:pk>/edit/<slug:tab>/", editor.edit, name="edit"),
    path("<int:pk>/preview/", previews.preview, name="preview"),
    path("<int:pk>/review/", review.review, name="review"),
    path("<int:pk>/upcoming/", schedule.upcoming, name="upcoming"),
    path("<int:pk>/versions/", versions.versions, name="versions"),
    path("<int:pk>/stop/", review.stop, name="stop"),
    path("<int:pk>/api/", triggers.api, name="api"),
    path("<int:pk>/api/<uuid:execution>/", triggers.replay, name="replay"),
    path("<int:pk>/act/<slug:verb>/", review.act, name="act"),
    path("people/<int:pk>/messages/", runs.history, name="history"),
    path("audiences/<int:pk>/", lists.uses, name="uses"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/report/", runs.report, name="report"),
    path("runs/<int:pk>/messages/", runs.messages, name="messages"),
    path("messages/<int:run_id>.<int:action>.<int:ref>/", messages.message, name="message"),
    path("messages/<int:run_id>.<int:action>.<int:ref>/body/", messages.message_body, name="message_body"),
    path("runs/<int:pk>/export.csv", runs.export, name="export"),
]
urlpatterns = [
    path("", home.home, name="home"),
    path("campaigns/", include((pages, "campaigns"))),
]
