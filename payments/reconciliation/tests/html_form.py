"""The fields of a page's form with the values that a browser would send."""

from __future__ import annotations

from html.parser import HTMLParser


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.choices: dict[str, list[str]] = {}
        self._select = ""
        self._is_post = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_post = given.get("id") == "os-reading"
        name = given.get("name", "")
        if not self._is_post:
            return
        if tag == "select":
            self._select = name
            self.choices[name] = []
        elif tag == "option" and self._select:
            self.choices[self._select].append(given.get("value", ""))
            if "selected" in given or len(self.choices[self._select]) == 1:
                self.values[self._select] = given.get("value", "")
        elif tag == "input" and name and given.get("type") != "checkbox":
            self.values[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""


def reading_form(page: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the values of the reading page's form, and the choices of its lists."""
    fields = _Fields()
    fields.feed(page)
    return fields.values, fields.choices
