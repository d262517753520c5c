"""What people who write back are answered, for the channels on which they can."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from channels.keywords import Asked
from channels.models import ChannelConfiguration
from channels.providers.base import Part, ProviderForm

MOST_WORDS = 30


REPLIES = Part(
    gettext_lazy("When people write back"),
    ("stop_words", "answer_stop", "answer_start", "answer_help"),
    gettext_lazy("STOP, START, HELP and their Chinese words are understood as they are."),
)


class KeywordsForm(ProviderForm):
    parts: tuple[Part, ...] = (REPLIES,)

    stop_words = forms.CharField(
        label=gettext_lazy("Words that stop"),
        required=False,
        max_length=600,
        help_text=gettext_lazy("With commas between them. They take the place of STOP, 退訂 and the like."),
    )
    answer_stop = forms.CharField(
        label=gettext_lazy("Answer to who stops"), required=False, max_length=500,
        help_text=gettext_lazy("Empty: nobody is answered."),
    )  # fmt: skip
    answer_start = forms.CharField(
        label=gettext_lazy("Answer to who starts again"), required=False, max_length=500
    )
    answer_help = forms.CharField(
        label=gettext_lazy("Answer to who asks for help"), required=False, max_length=500
    )

    def clean_stop_words(self) -> str:
        words = [word for text in self.cleaned_data["stop_words"].split(",") if (word := text.strip())]
        if len(words) > MOST_WORDS:
            detail = _("Give at most %(most)s words.") % {"most": MOST_WORDS}
            raise ValidationError(detail, code="too_many_words")
        return ", ".join(words)


def words_of(configuration: ChannelConfiguration) -> dict[Asked, list[str]]:
    """The configuration's own words, for `keywords.asked`."""
    own = [word.strip() for word in str(configuration.settings.get("stop_words") or "").split(",")]
    return {Asked.STOP: own} if any(own) else {}


def answer_to(configuration: ChannelConfiguration, asked: Asked) -> str:
    return str(configuration.settings.get(f"answer_{asked}") or "").strip()
