from django.urls import path

from campaigns.api import executions

app_name = "api"
urlpatterns = [
    path("im/executions/unitary", executions.Unitary.as_view(), name="unitary"),
    path("im/health", executions.Health.as_view(), name="health"),
]
