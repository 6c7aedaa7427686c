"""Missing translations: every text in the sources must stand in each catalogue, translated, not fuzzy, same blanks.

Python files are read with `ast`; templates are first turned into code by Django's own template reader. GNU
gettext's programs are not needed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
from django.conf import settings
from django.utils.translation.template import templatize

from scripts.env_file import ROOT

PYTHON_ROOMS = ("ordersite", "orders", "payments", "logistics")
TEMPLATE_ENDINGS = {".html", ".txt", ".svg"}
FUNCTIONS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
_STRING = r"""u?("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_IN_TEMPLATE = re.compile(rf"\b(_|gettext|ngettext|pgettext)\(\s*{_STRING}(?:\s*,\s*{_STRING})?", re.DOTALL)
# Between Chinese characters stands the wide comma, colon, semicolon, question mark, exclamation mark or bracket.
_NARROW = re.compile(r"(?<=[\u4e00-\u9fff])[,;:?!(]|[,;:?!)](?=[\u4e00-\u9fff])")
_BLANK = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")

Text = tuple[str, str]  # context ("" for none), msgid


def texts_of_python(source: str) -> Iterator[Text]:
    """Texts in calls of gettext's functions, by whatever usual name they are imported."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
        if name in WITH_CONTEXT and len(texts) >= 2:
            yield str(texts[0]), str(texts[1])
        elif name in FUNCTIONS and texts and isinstance(texts[0], str):
            yield "", texts[0]


def texts_of_template(source: str) -> Iterator[Text]:
    for name, first, second in _IN_TEMPLATE.findall(templatize(source)):
        if name == "pgettext":
            yield ast.literal_eval(first), ast.literal_eval(second)
        else:
            yield "", ast.literal_eval(first)


def sources(root: Path) -> Iterator[tuple[Path, Iterator[Text]]]:
    """Each file that may hold texts, tests apart."""
    for path in sorted(path for room in PYTHON_ROOMS for path in (root / room).rglob("*.py")):
        if "tests" not in path.parts:
            yield path, texts_of_python(path.read_text(encoding="utf-8"))
    for room in (*PYTHON_ROOMS, "templates"):
        for path in sorted((root / room).rglob("*")):
            if "templates" in path.relative_to(root).parts and path.suffix in TEMPLATE_ENDINGS:
                yield path, texts_of_template(path.read_text(encoding="utf-8"))


def texts(root: Path = ROOT) -> dict[Text, str]:
    """Every text, with the first file that has it."""
    found: dict[Text, str] = {}
    for path, in_it in sources(root):
        for text in in_it:
            found.setdefault(text, str(path.relative_to(root)))
    return found


def problems_of(entry: polib.POEntry) -> str:
    """What is wrong with one translation; empty when it is good."""
    if entry.fuzzy:
        return "is fuzzy"
    translations = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    if not all(translations):
        return "is empty"
    if any(_NARROW.search(_BLANK.sub("", text)) for text in translations):
        return "has narrow punctuation beside a Chinese character"
    blanks = set(_BLANK.findall(entry.msgid))
    if any(set(_BLANK.findall(text)) - blanks for text in translations):
        return "has a blank that the source has not"
    if not entry.msgid_plural and blanks - set(_BLANK.findall(entry.msgstr)):
        return "misses a blank of the source"
    return ""


def missing(catalogue: Path, wanted: dict[Text, str]) -> list[str]:
    """A line for each text that the catalogue does not translate well."""
    entries = {(entry.msgctxt or "", entry.msgid): entry for entry in polib.pofile(str(catalogue))}
    lines = [f"{place}: {text[1]!r} is not in it" for text, place in wanted.items() if text not in entries]
    for entry in entries.values():
        if not entry.obsolete and (problem := problems_of(entry)):
            lines.append(f"{entry.msgid!r} {problem}")
    return lines


def main() -> int:
    settings.configure()  # the template reader needs a few of Django's own defaults
    wanted = texts()
    catalogues = sorted(ROOT.glob("locale/*/LC_MESSAGES/django.po"))
    lines = [f"{path.relative_to(ROOT)}: {line}" for path in catalogues for line in missing(path, wanted)]
    if not catalogues:
        lines = ["there is no catalogue below locale/"]
    print("\n".join(lines) if lines else f"{len(wanted)} texts, all of them translated")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
