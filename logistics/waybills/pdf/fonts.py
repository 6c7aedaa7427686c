"""The fonts of labels: a Chinese font of this machine, for none comes with Python."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.utils.translation import gettext_lazy as _
from fontTools.ttLib import TTFont

from ordersite.lib.errors import DomainError

FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")
# Regular, bold, and which font of a collection is that of simplified Chinese. `fonts-noto-cjk` of Debian comes first.
_KNOWN = (
    ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", 2),
    ("NotoSansCJKsc-Regular.otf", "NotoSansCJKsc-Bold.otf", 0),
    ("NotoSansSC-Regular.otf", "NotoSansSC-Bold.otf", 0),
    ("SourceHanSansSC-Regular.otf", "SourceHanSansSC-Bold.otf", 0),
    ("wqy-microhei.ttc", "wqy-microhei.ttc", 0),
    ("DroidSansFallbackFull.ttf", "DroidSansFallbackFull.ttf", 0),
)


@dataclass(frozen=True, slots=True)
class LabelFont:
    """Two files; `number` counts the fonts of a collection from 0."""

    regular: Path
    bold: Path
    number: int


def find_font() -> LabelFont:
    """The first known font of this machine. Raises `DomainError` label_font_missing."""
    font = _first()
    if font is None:
        raise DomainError(
            "label_font_missing",
            _("There is no Chinese font on the worker's machine: install the package fonts-noto-cjk there."),
        )
    return font


@cache
def _first() -> LabelFont | None:
    for regular, bold, number in _KNOWN:
        for folder in FOLDERS:
            for found in sorted(folder.rglob(regular)):
                heavy = found.with_name(bold)
                return LabelFont(found, heavy if heavy.exists() else found, number)
    return None


@cache
def _characters(font: LabelFont) -> frozenset[int]:
    with TTFont(font.regular, fontNumber=font.number, lazy=True) as opened:
        return frozenset(opened.getBestCmap())


def printable(text: str) -> str:
    """The text without what no font draws: control characters, joiners and selectors of variants."""
    return "".join(one for one in text if unicodedata.category(one) not in {"Cc", "Cf"} and not _selects(one))


def _selects(character: str) -> bool:
    return 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF


def refuse_unknown(texts: Iterator[str]) -> None:
    """Raise `DomainError` label_character where the font lacks a character: a label with a hole would go astray."""
    known = _characters(find_font())
    for text in texts:
        for one in printable(text):
            if ord(one) not in known:
                raise DomainError(
                    "label_character",
                    _("The font of labels has no character “%(character)s”."),
                    character=one,
                )
