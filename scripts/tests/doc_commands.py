"""The commands in the pages of `docs/`, in the order in which a reader meets them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.env_file import ROOT

DOCS = ROOT / "docs"
LANGUAGES = ("en", "zh")
# As the list of pages has them.
PAGES = (
    "install-compose",
    "install-systemd",
    "first-steps",
    "operations",
    "monitoring",
    "security",
    "checkout",
    "holds",
    "risk",
    "waybills",
    "messages",
    "automation",
    "webhooks",
    "causes",
)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of code: `sh` is commands, one a line, `ini` lines of `.env`."""

    kind: str
    text: str


def page(language: str, name: str) -> Path:
    return DOCS / language / f"{name}.md"


def blocks(language: str, name: str) -> list[Block]:
    text = page(language, name).read_text(encoding="utf-8")
    return [Block(kind, body) for kind, body in _BLOCK.findall(text)]


def commands(language: str = "en", *, names: tuple[str, ...] = PAGES) -> list[str]:
    """Every command once, at its first place."""
    lines = (
        line.strip()
        for name in names
        for block in blocks(language, name)
        if block.kind == "sh"
        for line in block.text.splitlines()
    )
    return list(dict.fromkeys(line for line in lines if line))


def variables(name: str, language: str = "en") -> dict[str, str]:
    """The lines of `.env` that a page shows."""
    lines = (
        line for block in blocks(language, name) if block.kind == "ini" for line in block.text.splitlines()
    )
    return dict(line.split("=", 1) for line in lines if line)
