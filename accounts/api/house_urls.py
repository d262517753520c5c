from django.urls import path

from accounts.api import rights

app_name = "accounts_api"
urlpatterns = [
    path("roles/", rights.Roles.as_view(), name="roles"),
    path("roles/<int:pk>/", rights.OneRole.as_view(), name="role"),
    path("access-labels/", rights.Labels.as_view(), name="access_labels"),
    path("access-labels/<int:pk>/", rights.OneLabel.as_view(), name="access_label"),
]
