"""A class name means one thing: what one style sheet styles, no other one styles as well."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

ROOT = Path(__file__).resolve().parents[3]
OURS = sorted((ROOT / "static" / "ordersite").glob("*.css"))
THEME = "unfold/css/styles.css"
# A sheet may mention a class of another one where it means the same thing.
SHARED: Mapping[tuple[str, str], str] = {
    ("pay.css", "actions"): "the site's row of buttons, below one another on the return page",
    ("reading.css", "os-field"): "the desk's field, narrower beside the name of a mapping",
    ("reading.css", "os-right"): "the desk's numbers to the right, in the sample too",
    ("reading.css", "os-second"): "the desk's second line, in one line with the word that it counts",
    ("admin.css", "dark"): "the theme's name for the dark scheme",
    ("admin.css", "readonly"): "the theme's value of a read-only field",
    ("admin.css", "data-row"): "the theme's row of a list",
    ("admin.css", "material-symbols-outlined"): "the theme's icons",
}
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SELECTOR = re.compile(r"([^{};]+)\{")
_CLASS = re.compile(r"\.(-?[A-Za-z_](?:[\w-]|\\.)*)")
_KEYFRAMES = re.compile(r"@keyframes\s+([\w-]+)")


def class_names(css: str) -> set[str]:
    """Return every class that a selector of this sheet mentions."""
    selectors = (text for text in _SELECTOR.findall(_COMMENT.sub("", css)) if "@" not in text)
    return {name for text in selectors for name in _CLASS.findall(text)}


def sheets() -> Iterator[tuple[str, str]]:
    """Yield names and texts: ours, then the theme of the back office."""
    for path in OURS:
        yield path.name, path.read_text(encoding="utf-8")
    theme = finders.find(THEME)
    assert theme is not None
    yield "theme", Path(theme).read_text(encoding="utf-8")


def clashes(texts: Mapping[str, str]) -> list[str]:
    """Return what two sheets style alike: a class that is not shared on purpose, or an animation's name."""
    owners: dict[str, list[str]] = {}
    for sheet, css in texts.items():
        animations = {f"@{name}" for name in _KEYFRAMES.findall(css)}
        for name in {*class_names(css), *animations}:
            if (sheet, name) not in SHARED:
                owners.setdefault(name, []).append(sheet)
    return sorted(f"{name}: {', '.join(found)}" for name, found in owners.items() if len(found) > 1)


def test_no_class_is_styled_in_two_sheets() -> None:
    found = dict(sheets())
    # The theme is loaded beside our sheet of the back office alone.
    back_office = {name: found.pop(name) for name in ("admin.css", "theme")}

    assert clashes(found | {"admin.css": back_office["admin.css"]}) == []
    assert clashes(back_office) == []


@pytest.mark.parametrize(
    ("site", "tracking"),
    [
        (".way { display: flex }", ".way li { display: grid }"),
        (".way { display: flex }", ".parcel .way { margin: 0 }"),
        ("@media (width < 9px) { .way:hover { color: red } }", "ol.way{margin:0}"),
    ],
)
def test_a_name_used_twice_is_found(site: str, tracking: str) -> None:
    assert clashes({"site.css": site, "tracking.css": tracking}) == ["way: site.css, tracking.css"]


def test_an_animation_used_twice_is_found() -> None:
    spin = "@keyframes spin { to { opacity: 0 } }"
    assert clashes({"site.css": spin, "pay.css": spin}) == ["@spin: site.css, pay.css"]


def test_shared_names_are_still_in_use() -> None:
    found = dict(sheets())
    assert [pair for pair in SHARED if pair[1] not in class_names(found[pair[0]])] == []
