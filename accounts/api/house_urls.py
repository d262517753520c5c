from django.urls import path

from accounts.api import credentials, notices, rights

app_name = "accounts_api"
urlpatterns = [
    path("credentials/", credentials.Credentials.as_view(), name="credentials"),
    path("credentials/<int:pk>/", credentials.OneCredential.as_view(), name="credential"),
    path("credentials/<int:pk>/rotate/", credentials.Rotate.as_view(), name="credential_rotate"),
    path("credentials/<int:pk>/revoke/", credentials.Revoke.as_view(), name="credential_revoke"),
    path("notices/", notices.Notices.as_view(), name="notices"),
    path("roles/", rights.Roles.as_view(), name="roles"),
    path("roles/<int:pk>/", rights.OneRole.as_view(), name="role"),
    path("access-labels/", rights.Labels.as_view(), name="access_labels"),
    path("access-labels/<int:pk>/", rights.OneLabel.as_view(), name="access_label"),
]
