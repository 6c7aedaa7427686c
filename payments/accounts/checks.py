"""Refuses payment accounts at a provider's sandbox in production: when they are saved, and at the start of a process.

`manage.py migrate` and `manage.py check --database default` name them too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections
from django.utils.translation import gettext as _

from ordersite.lib import env
from payments.models import PaymentAccount

# Providers' test environments, where no money moves.
PLAYGROUNDS = ("alipaydev.com", "alipay-sandbox.com", "test.95516.com", "101.231.204.80", "101.231.204.84")
# Where a provider names its sandbox in the address: a part of the host's name, or a folder below the real gateway.
_SANDBOX_HOST = re.compile(r"(?:^|[.-])sandbox(?:[.-]|$)")
_SANDBOX_PATH = re.compile(r"/sandbox(?:new)?(?:/|$)")


logger = logging.getLogger(__name__)


def is_playground(address: str) -> bool:
    """Tell whether this is the address of a provider's sandbox."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:  # no address: the account's own check says so
        return False
    host = (parts.hostname or "").rstrip(".")
    if any(host == known or host.endswith(f".{known}") for known in PLAYGROUNDS):
        return True
    # Our own sandbox on the loopback has nothing to do with it.
    return parts.scheme == "https" and bool(_SANDBOX_HOST.search(host) or _SANDBOX_PATH.search(parts.path))


def playgrounds_in(config: Mapping[str, Any]) -> list[str]:
    """Return the names of those settings of an account that are addresses of a sandbox."""
    return [name for name, value in config.items() if isinstance(value, str) and is_playground(value)]


def playground_problems(config: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each sandbox address that an account of this installation must not have."""
    if settings.DEBUG or settings.DEMO_SHOP:
        return []
    text = _("%(key)s is the address of the provider's sandbox, where no money moves.")
    return [text % {"key": name} for name in playgrounds_in(config)]


def check_gateways(
    app_configs: Any, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[checks.CheckMessage]:
    """Name the active accounts at a provider's sandbox, where this is neither a demonstration nor a developer's machine."""
    if settings.DEBUG or settings.DEMO_SHOP or "default" not in (databases or ()):
        return []
    if PaymentAccount._meta.db_table not in connections["default"].introspection.table_names():
        return []
    rows = PaymentAccount.objects.active().order_by("slug").values_list("slug", "config")
    return [
        checks.Error(
            f"The payment account {slug} is active and speaks to a provider's sandbox.",
            hint="Nobody pays there, and anybody may say so: give it the real address with set_payment_account.",
            id="payments.E001",
        )
        for slug, config in rows
        if playgrounds_in(config)
    ]


def refuse_playgrounds(**_signal: Any) -> None:
    """Stop the start of a process in production where an active account speaks to a provider's sandbox.

    A database that does not answer stops nothing: calls of providers are answered, and the next start looks again.
    """
    try:
        found = check_gateways(None, databases=["default"])
    except DatabaseError:
        logger.warning("the payment accounts could not be checked for sandbox addresses")
        return
    if found:
        env.stop("DEMO", f"is off, and {found[0].msg[0].lower()}{found[0].msg[1:]} {found[0].hint}")
