"""The addresses of accounts: signing in, one's own account, roles, credentials, the log."""

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", views.SignOut.as_view(), name="sign_out"),
    path("own/", views.own_account, name="own"),
    path("own/elsewhere/", views.sign_out_elsewhere, name="sign_out_elsewhere"),
    path("own/two-steps/", views.two_steps, name="two_steps"),
    path("sign-in/second/", views.SecondStep.as_view(), name="second_step"),
    path("preferences/", views.preferences, name="preferences"),
    path("workspace/", views.choose_workspace, name="workspace"),
    path("credentials/", views.show_credentials, name="credentials"),
    path("credentials/<int:pk>/revoke/", views.revoke_credential, name="revoke_credential"),
    path("credentials/<int:pk>/rotate/", views.rotate_credential, name="rotate_credential"),
    path("notices/", views.show_notices, name="notices"),
    path("notices/read/", views.read_notice, name="read_all"),
    path("notices/prefer/", views.prefer_notices, name="prefer_notices"),
    path("notices/<int:pk>/read/", views.read_notice, name="read_notice"),
    path("administration/", views.administration, name="administration"),
    path("log/", views.show_log, name="log"),
    path("roles/new/", views.edit_role, name="role_create"),
    path("roles/<int:pk>/", views.edit_role, name="role"),
    path("roles/<int:pk>/delete/", views.delete_role, name="role_delete"),
    path("welcome/<uidb64>/<token>/", views.Welcome.as_view(), name="welcome"),
]
