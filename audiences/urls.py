"""The addresses of the pages about people."""

from django.urls import path

from audiences import views

app_name = "audiences"
urlpatterns = [
    path("", views.show_list, name="list"),
    path("new/", views.create, name="create"),
    path("import/", views.upload, name="import"),
    path("imports/<int:pk>/", views.import_status, name="import_status"),
    path("imports/<int:pk>/continue/", views.import_continue, name="import_continue"),
    path("profiles/", views.profiles, name="profiles"),
    path("profiles/<int:pk>/", views.profile, name="profile"),
    path("profiles/<int:pk>/export.json", views.profile_export, name="profile_export"),
    path("<int:pk>/edit/", views.edit, name="edit"),
    path("<int:pk>/", views.detail, name="detail"),
]
