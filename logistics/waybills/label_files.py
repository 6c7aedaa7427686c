"""Keeps the carriers' labels in the private storage; a server delivers them to nobody by itself."""

from __future__ import annotations

import io
import logging

from ordersite.lib.errors import DomainError
from ordersite.lib.files import private

MOST_BYTES = 1_000_000
KINDS = ("pdf", "png", "jpeg")
_EXTENSIONS = {"jpeg": "jpg"}

logger = logging.getLogger(__name__)


def keep(label: bytes) -> str:
    """Store a label and return its name; empty where there is none, or none of a kind that can be printed."""
    if not label:
        return ""
    try:
        return private.save(io.BytesIO(label), limit=MOST_BYTES, kinds=KINDS)
    except DomainError as refused:
        logger.warning("label not kept: %s", refused.code)
        return ""


def drop(name: str) -> None:
    """Delete a stored label that no row names."""
    if name:
        private.remove(name)


def extension_of(name: str) -> str:
    kind = name.rpartition(".")[2]
    return _EXTENSIONS.get(kind, kind)
