from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("sign-in/", views.SignIn.as_view(), name="sign_in"),
    path("sign-out/", views.SignOut.as_view(), name="sign_out"),
    path("preferences/", views.preferences, name="preferences"),
    path("workspace/", views.choose_workspace, name="workspace"),
    path("credentials/", views.show_credentials, name="credentials"),
    path("credentials/<int:pk>/revoke/", views.revoke_credential, name="revoke_credential"),
    path("credentials/<int:pk>/rotate/", views.rotate_credential, name="rotate_credential"),
    path("welcome/<uidb64>/<token>/", views.Welcome.as_view(), name="welcome"),
]
