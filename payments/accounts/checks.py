"""Checks the gateways of payment accounts, with `manage.py migrate` and `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import connections

from payments.models import PaymentAccount

# Providers' test environments, where no money moves. Our own sandbox on the loopback is not among them.
PLAYGROUNDS = ("alipaydev.com", "gateway.test.95516.com", "test.95516.com")


def is_playground(address: str) -> bool:
    host = (urlsplit(address).hostname or "").rstrip(".")
    return any(host == known or host.endswith(f".{known}") for known in PLAYGROUNDS)


def check_gateways(
    app_configs: Any, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[checks.CheckMessage]:
    """Warn of active accounts at a provider's playground where this is no developer's machine."""
    if settings.DEBUG or settings.DEMO_SHOP or "default" not in (databases or ()):
        return []
    if PaymentAccount._meta.db_table not in connections["default"].introspection.table_names():
        return []
    rows = PaymentAccount.objects.active().order_by("slug").values_list("slug", "config")
    return [
        checks.Warning(
            f"The payment account {slug} is active and speaks to a provider's playground.",
            hint="Nobody pays there, and anybody may say so. Switch the account off, or give it the real gateway_url.",
            id="payments.W001",
        )
        for slug, config in rows
        if is_playground(str(config.get("gateway_url", "")))
    ]
