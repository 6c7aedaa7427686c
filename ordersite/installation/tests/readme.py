"""Reads the commands of README's section about a real installation, in either language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from scripts.env_file import ROOT

HEADINGS = {"README.md": "## Run it for real", "README.zh-CN.md": "## 正式运行"}
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True, slots=True)
class Block:
    """The commands, or lines of `.env`, of one fenced block, in order and without comments."""

    language: str
    lines: tuple[str, ...]

    @property
    def starts_processes(self) -> bool:
        return "deploy/web.sh" in self.lines


def section(name: str) -> str:
    """The section of one README. Raises ValueError where it is missing."""
    text = (ROOT / name).read_text(encoding="utf-8")
    begin = text.index(HEADINGS[name] + "\n")
    end = text.find("\n## ", begin + 1)
    return text[begin : end if end > 0 else len(text)]


def blocks(name: str) -> list[Block]:
    found = []
    for language, body in _FENCE.findall(section(name)):
        lines = [_COMMENT.sub("", line).rstrip() for line in body.splitlines()]
        found.append(Block(language, tuple(line for line in lines if line)))
    return found


def commands(name: str) -> list[str]:
    return [line for block in blocks(name) if block.language == "sh" for line in block.lines]


def settings_lines(name: str) -> dict[str, str]:
    """What `.env` gets."""
    lines = [line for block in blocks(name) if block.language == "ini" for line in block.lines]
    return dict(line.split("=", 1) for line in lines)


def exists(path: str) -> bool:
    return (ROOT / Path(path)).exists()
