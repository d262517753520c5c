"""What Jinja2 says of a source it cannot read, in the reader's language and in the author's words."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# The tag or sign an author has written, by the name of its node where that is another word.
WRITTEN = {
    "Call": "( )",
    "Pow": "**",
    "Slice": "[ : ]",
    "Dict": "{ }",
    "AssignBlock": "set … endset",
    "CallBlock": "call",
    "FilterBlock": "filter",
    "FromImport": "from",
    "ScopedEvalContextModifier": "autoescape",
}
MISSING = gettext_lazy("“%(wanted)s” is missing before “%(found)s”.")
NOT_HERE = gettext_lazy("“%(found)s” cannot stand here.")
TOLD = [
    (r"expected token '(?P<wanted>.+)', got '(?P<found>.+)'", MISSING),
    (r"unexpected '(?P<found>.+)', expected '(?P<wanted>.+)'", MISSING),
    (r"unexpected (?P<found>end of template), expected '(?P<wanted>.+)'\.", MISSING),
    (
        r"Expected an expression, got '(?P<found>.+)'",
        gettext_lazy("A value is missing before “%(found)s”."),
    ),
    (r"unexpected char ['\"](?P<found>.+)['\"] at \d+", NOT_HERE),
    (r"unexpected '(?P<found>.+)'", NOT_HERE),
    (r"expected name or number", gettext_lazy("A name is missing after the dot.")),
    (r"tag name expected", gettext_lazy("The name of the tag is missing.")),
    (r"Missing end of comment tag", gettext_lazy("The comment has no end: write #}.")),
    (
        r"Encountered unknown tag '(?P<found>\w+)'\. .*needs to be closed is '(?P<wanted>\w+)'\.",
        gettext_lazy("“%(wanted)s” has to be closed before “%(found)s”."),
    ),
    (r"Encountered unknown tag '(?P<found>(end|el)\w+)'.*", NOT_HERE),
    (r"Encountered unknown tag '(?P<found>.+?)'.*", gettext_lazy("There is no tag “%(found)s” in messages.")),
    (
        r"Unexpected end of template\. .*needs to be closed is '(?P<found>\w+)'\.",
        gettext_lazy("“%(found)s” is opened and not closed: “end%(found)s” is missing."),
    ),
]
SIGNS = {
    "end of print statement": "}}",
    "end of statement block": "%}",
    "begin of print statement": "{{",
    "begin of statement block": "{%",
    "end of template": gettext_lazy("the end of the text"),
    "name": gettext_lazy("a name"),
}


def told(message: str) -> str:
    """As Jinja2 says it where these words know nothing better."""
    for pattern, words in TOLD:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            return str(words) % {
                key: str(SIGNS.get(said, said))[:80] for key, said in match.groupdict().items()
            }
    return message or _("This is not understood.")
