from django.urls import path

from accounts.api.token import Token

app_name = "oauth"
urlpatterns = [path("token", Token.as_view(), name="token")]
