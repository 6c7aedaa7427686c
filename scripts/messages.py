"""Compile the translations, every .po below locale/ into its .mo, without GNU gettext's programs."""

from __future__ import annotations

import sys
from pathlib import Path

import polib

from scripts.env_file import ROOT


def compile_catalogues(root: Path = ROOT) -> list[Path]:
    """Write each .mo that is missing or older than its .po; returns what was written."""
    written = []
    for source in sorted(root.glob("locale/*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime <= source.stat().st_mtime:
            polib.pofile(str(source)).save_as_mofile(str(target))
            written.append(target)
    return written


if __name__ == "__main__":
    for path in compile_catalogues():
        print(path.relative_to(ROOT))
    sys.exit(0)
