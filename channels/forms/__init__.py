"""The forms of channels. They check shapes; what is right is decided by the verbs."""

from channels.forms.configuration import ConfigurationForm, DomainForm, settings_form, values_of
from channels.forms.rules import AllowForm, LimitsForm, rule_form, rule_set_form
from channels.forms.warmup import WarmupForm

__all__ = [
    "AllowForm",
    "ConfigurationForm",
    "DomainForm",
    "LimitsForm",
    "WarmupForm",
    "rule_form",
    "rule_set_form",
    "settings_form",
    "values_of",
]
