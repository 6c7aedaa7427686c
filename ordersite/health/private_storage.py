"""A system check: the storage of private files can be made from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.files.storage import storages


def check_private_storage(
    app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Report a PRIVATE_STORAGE that cannot be imported, or that does not take its options (ordersite.E011)."""
    try:
        storages["private"]
    except Exception as error:  # whatever a storage of others raises
        text = f"PRIVATE_STORAGE cannot be used: {type(error).__name__}: {error}"
        hint = "It names an installed class of Django's storages; PRIVATE_STORAGE_OPTIONS are its arguments."
        return [Error(text, hint=hint, id="ordersite.E011")]
    return []
