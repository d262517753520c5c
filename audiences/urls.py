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
    path("<int:pk>/", views.detail, name="detail"),
]
