"""What an account's file says: its interval, its rate, and which keys need one another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from logistics.carriers.types import DEFAULT_INTERVAL_SECONDS, CarrierKeys
from ordersite.lib.outgoing.addresses import address_problems

ADDRESSES = ("query_url", "subscribe_url", "label_url", "recognise_url")
# An interface, and the secret without which it cannot be used safely.
_NEEDS = (("subscribe_url", "salt"), ("label_url", "secret"))


def account_problems(keys: CarrierKeys) -> Iterator[str]:
    """The problems of an account's values, in the reader's language."""
    for name in ADDRESSES:
        yield from address_problems(name, keys.config[name]) if keys.config.get(name) else []
    for name, secret in _NEEDS:
        if keys.config.get(name) and not keys.secrets.get(secret):
            yield _("%(key)s needs %(secret)s.") % {"key": name, "secret": secret}
    if configured_interval(keys) is None:
        yield _("min_interval_seconds must be a whole number of seconds.")
    if keys.config.get("queries_per_second") and agreed_rate(keys) is None:
        yield _("queries_per_second must be a whole number from 1 to 200.")


def configured_interval(keys: CarrierKeys) -> int | None:
    """The account's own interval in seconds, None if it is not a whole number."""
    text = str(keys.config.get("min_interval_seconds") or DEFAULT_INTERVAL_SECONDS)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None


def agreed_rate(keys: CarrierKeys) -> int | None:
    """The account's queries a second, None if there is none or it is not a number from 1 to 200."""
    text = str(keys.config.get("queries_per_second") or "")
    return int(text) if re.fullmatch(r"[1-9][0-9]?|1[0-9][0-9]|200", text, re.ASCII) else None
