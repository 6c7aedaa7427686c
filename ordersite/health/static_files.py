"""A system check of the static files with hashed names."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Warning

_TEXT = (
    "The static files are not built, or from other sources than these: browsers ask for each again and again."
)


def check_static_files(**_options: Any) -> list[CheckMessage]:
    """Report static files that were not collected, or whose sources have changed since (ordersite.W012)."""
    if settings.DEBUG or getattr(staticfiles_storage, "hashed_files", True):
        return []
    return [Warning(_TEXT, hint="Run `python -m scripts.static_files`.", id="ordersite.W012")]
