"""The addresses of the channels pages."""

from __future__ import annotations

from django.urls import path

from channels.views import allowed, configurations, domains, limits, rulesets, warmups

app_name = "channels"
urlpatterns = [
    path("", configurations.show_list, name="list"),
    path("new/", configurations.create, name="create"),
    path("domains/", domains.show_list, name="domains"),
    path("domains/new/", domains.create, name="domain_create"),
    path("domains/<int:pk>/", domains.detail, name="domain"),
    path("domains/<int:pk>/check/", domains.check, name="domain_check"),
    path("domains/<int:pk>/delete/", domains.delete, name="domain_delete"),
    path("allowed/", allowed.show_list, name="allowed"),
    path("allowed/switch/", allowed.switch, name="allowed_switch"),
    path("allowed/<int:pk>/remove/", allowed.remove, name="allowed_remove"),
    path("rule-sets/", rulesets.show_list, name="rule_sets"),
    path("rule-sets/new/", rulesets.create, name="rule_set_create"),
    path("rule-sets/<int:pk>/", rulesets.detail, name="rule_set"),
    path("rule-sets/<int:pk>/edit/", rulesets.edit, name="rule_set_edit"),
    path("rule-sets/<int:pk>/rules/new/<slug:kind>/", rulesets.add_rule, name="rule_add"),
    path("rule-sets/<int:pk>/rules/<int:rule_pk>/", rulesets.edit_rule, name="rule_edit"),
    path("rule-sets/<int:pk>/rules/<int:rule_pk>/<slug:verb>/", rulesets.act_rule, name="rule_act"),
    path("rule-sets/<int:pk>/<slug:verb>/", rulesets.act, name="rule_set_act"),
    path("warm-up/", warmups.show_list, name="warmups"),
    path("warm-up/new/", warmups.create, name="warmup_create"),
    path("warm-up/<int:pk>/", warmups.detail, name="warmup"),
    path("warm-up/<int:pk>/edit/", warmups.edit, name="warmup_edit"),
    path("warm-up/<int:pk>/<slug:verb>/", warmups.act, name="warmup_act"),
    path("<int:pk>/", configurations.detail, name="detail"),
    path("<int:pk>/limits/", limits.change, name="limits"),
    path("<int:pk>/edit/", configurations.edit, name="edit"),
    path("<int:pk>/files/<int:file>/retry/", configurations.retry_file, name="retry_file"),
    path("<int:pk>/share/", configurations.share, name="share"),
    path("<int:pk>/test/", configurations.test, name="test"),
    path("<int:pk>/<slug:verb>/", configurations.act, name="act"),
]
