"""The limits of queries that an account's file may set: the interval per parcel and the rate per second."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from logistics.carriers.types import DEFAULT_INTERVAL_SECONDS, CarrierKeys
from ordersite.lib.http import is_loopback

KEYS = ("min_interval_seconds", "queries_per_second")


def limit_problems(keys: CarrierKeys) -> list[str]:
    """The problems of both keys, in the reader's language."""
    problems = []
    if _configured_interval(keys) is None:
        problems.append(_("min_interval_seconds must be a whole number of seconds."))
    if keys.config.get("queries_per_second") and agreed_rate(keys) is None:
        problems.append(_("queries_per_second must be a whole number from 1 to 200."))
    return problems


def interval_seconds(keys: CarrierKeys, *, url: str) -> int:
    """The account's own interval, at least DEFAULT_INTERVAL_SECONDS; less only where `url` is on this machine."""
    seconds = _configured_interval(keys)
    if seconds is None:
        return DEFAULT_INTERVAL_SECONDS
    return seconds if is_loopback(url) else max(seconds, DEFAULT_INTERVAL_SECONDS)


def agreed_rate(keys: CarrierKeys) -> int | None:
    """The account's queries a second, None if there is none or it is not a number from 1 to 200."""
    text = str(keys.config.get("queries_per_second") or "")
    return int(text) if re.fullmatch(r"[1-9][0-9]?|1[0-9][0-9]|200", text, re.ASCII) else None


def _configured_interval(keys: CarrierKeys) -> int | None:
    text = str(keys.config.get("min_interval_seconds") or DEFAULT_INTERVAL_SECONDS)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None
