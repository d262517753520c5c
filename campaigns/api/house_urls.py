"""The REST addresses of campaigns below /api/; those below /ajo/ are the reference product's (`urls.py`)."""

from django.urls import path

from campaigns.api import seeds

app_name = "campaigns_api"
urlpatterns = [
    path("seed-lists/", seeds.SeedLists.as_view(), name="seed_lists"),
    path("seed-lists/<int:pk>/", seeds.OneSeedList.as_view(), name="seed_list"),
]
