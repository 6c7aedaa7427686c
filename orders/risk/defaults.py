"""The strategies of a new installation. None of them refuses, and a sale to honest buyers meets none of them."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps

# Slug and kind, window in seconds, threshold, action. An address may be an office's, an IP address a campus's, a phone
# number a parent's: they are noted. A device and a total that many accounts share are held for a person to look at.
DEFAULTS: tuple[tuple[str, int, int, str], ...] = (
    ("attempts", 300, 3, "hold"),
    ("device", 600, 10, "hold"),
    ("amount_pattern", 3600, 5, "hold"),
    ("ip", 600, 50, "log"),
    ("phone", 3600, 10, "log"),
    ("address", 3600, 30, "log"),
    ("velocity", 600, 10, "log"),
)


def seed(sender: AppConfig, apps: Apps = installed, **_kwargs: Any) -> None:
    """Write the strategies that are missing, after every migrate; what staff has changed stays as it is."""
    try:
        model = apps.get_model("orders", "RiskStrategy")
    except LookupError:  # a migrate that stops before there are any
        return
    rows = [
        model(slug=kind, kind=kind, window_seconds=window, threshold=threshold, action=action)
        for kind, window, threshold, action in DEFAULTS
    ]
    model._default_manager.bulk_create(rows, ignore_conflicts=True)
