"""Seals the secrets of outside accounts, each to its own row, and opens them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings


def seal(secrets: Mapping[str, Any], *, table: str, slug: str) -> str:
    """Encrypt the secrets into a text that opens only for the account of this slug in this table."""
    return settings.KEY_RING.seal(json.dumps(dict(secrets)), bound_to=place_of(table, slug))


def unseal(sealed: str, *, table: str, slug: str) -> dict[str, Any]:
    """Decrypt a sealed text. Raises `CannotDecrypt`."""
    opened: dict[str, Any] = json.loads(settings.KEY_RING.open(sealed, bound_to=place_of(table, slug)))
    return opened


def place_of(table: str, slug: str) -> str:
    """What the sealed secrets of an account are bound to."""
    return f"{table}.secrets.{slug}"
