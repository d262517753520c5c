"""The designer's frame: a page without any data of anybody, under the narrowest policy that lets it work.

GrapesJS writes style elements and attributes into the drawing, so 'unsafe-inline' stands for styles, here and
nowhere else. Scripts come from three files of ours, none may be inline or made from text, and nothing can be
sent or fetched: the page around hands the design over and takes it back by postMessage. The drawing's own
frame inherits all of this, so what an author pastes cannot run.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from campaigns import library

SCRIPTS = ("vendor/grapesjs/grapes.min.js", "vendor/grapesjs/grapesjs-mjml.js", "js/designer.js")


def policy(request: HttpRequest) -> str:
    scripts = " ".join(request.build_absolute_uri(static(name)) for name in SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data: https:; connect-src 'none'; form-action 'none'; base-uri 'none'; "
        "object-src 'none'; frame-ancestors 'self'; sandbox allow-scripts allow-same-origin"
    )


@login_required
@require_safe
@xframe_options_sameorigin
def designer(request: HttpRequest) -> HttpResponse:
    page = {"words": _words(), "blank": library.blank(get_language() or "en")}
    response = render(request, "campaigns/designer.html", page)
    response["Content-Security-Policy"] = policy(request)
    return response


def _words() -> dict[str, Any]:
    """Everything the designer says, in the reader's language."""
    names = {
        "body": _("Page"),
        "section": _("Section"),
        "column": _("Column"),
        "text": _("Text"),
        "button": _("Button"),
        "image": _("Image"),
        "divider": _("Line"),
        "spacer": _("Space"),
        "wrapper": _("Wrapper"),
        "group": _("Group"),
        "hero": _("Banner"),
        "navBar": _("Links in a row"),
        "navLink": _("Link"),
        "socialGroup": _("Social media"),
        "socialElement": _("Social medium"),
        "raw": _("Code"),
        "mj-raw": _("Code"),
        "mj-table": _("Table"),
        "mj-accordion": _("Accordion"),
        "mj-carousel": _("Carousel"),
    }
    return {
        "names": names,
        "blocks": {
            "column1": _("One column"),
            "column2": _("Two columns"),
            "column3": _("Three columns"),
            "media": _("Picture and text"),
            "heading": _("Heading"),
            "banner": names["hero"],
            **{key: names[key] for key in ("text", "button", "image", "navBar", "divider", "spacer", "raw")},
            "table": names["mj-table"],
        },
        "fragments": _("Fragments"),
        "sample": _("Write here."),
        "heading": _("Heading"),
        "press": _("Press here"),
        "take": _("Take it over"),
        "sectors": {"text": _("Text"), "box": pgettext("look", "Box")},
        "traits": {
            "alt": _("Description of the picture"),
            "href": _("Leads to"),
            "src": _("Address of the picture"),
            "title": _("Shown when pointed at"),
            "background-url": _("Background picture"),
            "full-width": _("Full width"),
            "css-class": _("Class"),
        },
        "styles": {
            "color": _("Colour"),
            "font-size": _("Size"),
            "font-weight": _("Weight"),
            "line-height": _("Line height"),
            "font-family": _("Font"),
            "align": _("Alignment"),
            "left": pgettext("side", "Left"),
            "center": pgettext("side", "Centre"),
            "right": pgettext("side", "Right"),
            "justify": _("Justified"),
            "top": pgettext("side", "Top"),
            "middle": pgettext("side", "Middle"),
            "bottom": pgettext("side", "Bottom"),
            "background-color": _("Background"),
            "container-background-color": _("Background around it"),
            "width": _("Width"),
            "height": _("Height"),
            "padding": _("Space inside"),
            "padding-top": _("Space above"),
            "padding-right": _("Space to the right"),
            "padding-bottom": _("Space below"),
            "padding-left": _("Space to the left"),
            "border": _("Border"),
            "border-radius": _("Round corners"),
            "vertical-align": _("Height of its content"),
            "background-url": _("Background picture"),
        },
        "grapes": {
            "styleManager": {"empty": _("Choose something in the message.")},
            "traitManager": {
                "empty": _("Choose something in the message."),
                "label": _("What is chosen"),
            },
        },
    }
