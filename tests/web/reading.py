"""Reads pages as a browser without scripts does: links, texts, what a form would send."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Form:
    """One form: where it goes, what it holds, and whose button stands outside of it."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class Reading:
    """A page: its forms in order, its links by their text, and all of its text in one line."""

    forms: list[Form] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)
    text: str = ""

    def form(self, action: str) -> Form:
        found = [form for form in self.forms if form.action == action and form.method == "post"]
        assert found, f"no form posts to {action}; there are {[form.action for form in self.forms]}"
        return found[0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.reading = Reading()
        self.texts: list[str] = []
        self._form: Form | None = None
        self._area: tuple[str, list[str]] | None = None
        self._link: tuple[str, list[str]] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.reading.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            self._take_input(given, self._form)
        elif tag == "textarea":
            self._area = (given.get("name", ""), [])
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._form is not None:
            self._take_option(given, self._form)
        elif tag == "a" and "href" in given:
            self._link = (given["href"], [])
        elif tag == "iframe":
            self.reading.frames.append(given.get("src", ""))

    def _take_input(self, given: dict[str, str], form: Form) -> None:
        is_box = given.get("type") in {"checkbox", "radio"}
        if given.get("type") == "file":
            return
        if not is_box or "checked" in given:
            # A browser drops line breaks from a one-line field.
            value = given.get("value", "").replace("\r", "").replace("\n", "")
            form.values[given.get("name", "")] = value

    def _take_option(self, given: dict[str, str], form: Form) -> None:
        """The one that is selected, else the first."""
        if "selected" in given or self._select not in form.values:
            form.values[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            name, parts = self._area
            text = "".join(parts).removeprefix("\n").replace("\r\n", "\n").replace("\r", "\n")
            self._form.values[name] = text.replace("\n", "\r\n")
            self._area = None
        elif tag == "a" and self._link is not None:
            href, parts = self._link
            self.reading.links.setdefault(" ".join("".join(parts).split()), href)
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)
            return
        self.texts.append(data)
        if self._link is not None:
            self._link[1].append(data)


def read(page: str) -> Reading:
    """What a page says and offers."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    reader.reading.text = " ".join(" ".join(reader.texts).split())
    return reader.reading
