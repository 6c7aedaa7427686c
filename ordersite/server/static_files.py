"""Static files by names that change with their content: browsers and proxies keep them for ever, compressed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Beside the table of names: what it was built from.
SOURCES = "sources.txt"


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Hashed names as long as the files in STATIC_ROOT were built from the sources that are here (`collectstatic`).

    Without them, or after a change of a source, names are plain and the files come from where they lie: a page may load
    more slowly, but never an old style sheet, and never fails for want of a name. A system check reports it (W012).
    """

    def load_manifest(self) -> tuple[dict[str, str], str]:
        if self._built_from() != digest_of_sources():
            return {}, ""
        names, manifest_hash = super().load_manifest()
        return dict(names), str(manifest_hash)

    def save_manifest(self) -> None:
        super().save_manifest()
        Path(self.path(SOURCES)).write_text(digest_of_sources(), encoding="utf-8")

    def stored_name(self, name: str) -> str:
        if not self.hashed_files:
            return name
        try:
            return str(super().stored_name(name))
        except ValueError:  # no file of this name: its address is a 404, the page that names it is none
            return name

    def _built_from(self) -> str:
        try:
            return Path(self.path(SOURCES)).read_text(encoding="utf-8")
        except OSError:
            return ""


def digest_of_sources() -> str:
    """SHA-256 over the paths and contents of everything that collectstatic would collect."""
    digest = hashlib.sha256()
    for name, path in sorted(_sources()):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    for finder in get_finders():
        for name, storage in finder.list([]):
            yield name, Path(storage.path(name))
