"""The forms of a page as a browser without scripts would send them."""

from __future__ import annotations

from html.parser import HTMLParser

Field = tuple[str, str]
NOT_SENT = ("submit", "button", "reset", "image", "file")


class Forms(HTMLParser):
    """`found` holds each form that is posted: its address, and its fields with what stands in them."""

    def __init__(self, page: str, here: str) -> None:
        super().__init__()
        self.here, self.is_open = here, False
        self.found: list[tuple[str, list[Field]]] = []
        self.choice, self.area, self.text = "", "", ""
        self.offered: list[str] = []
        self.is_chosen = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.is_open = has.get("method", "get").lower() == "post"
            if self.is_open:
                self.found.append((has.get("action") or self.here, []))
        elif not self.is_open or "disabled" in has:
            return
        elif tag == "input" and has.get("type", "text") not in NOT_SENT:
            if "checked" in has or has.get("type") not in ("checkbox", "radio"):
                self._put(has.get("name", ""), has.get("value", "on" if "checked" in has else ""))
        elif tag == "button" and has.get("type", "submit") == "submit":
            if has.get("name", "") not in dict(self.found[-1][1]):  # the first of them is pressed
                self._put(has.get("name", ""), has.get("value", ""))
        elif tag == "select":
            self.choice, self.offered, self.is_chosen = has.get("name", ""), [], "multiple" in has
        elif tag == "option" and self.choice:
            self.offered.append(has.get("value", ""))
            if "selected" in has:
                self._put(self.choice, has.get("value", ""))
                self.is_chosen = True
        elif tag == "textarea":
            self.area, self.text = has.get("name", ""), ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._put(self.area, self.text.removeprefix("\n"))
        elif tag == "select":
            if self.offered and not self.is_chosen:
                self._put(self.choice, self.offered[0])
            self.choice = ""
        elif tag == "form":
            self.is_open = False

    def _put(self, name: str, value: str) -> None:
        if name and self.is_open:
            self.found[-1][1].append((name, value))
