"""Durations in words. Django's own say «0 minutes» of what is less than one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _


def time_since(at: datetime | None, now: datetime | None = None, *, units: int = 2) -> str:
    """How long ago `at` (UTC) was, in so many units at most; a dash where it is not known. `now`: unless given, now."""
    now = now or timezone.now()
    if at is None:
        return "–"
    return _("less than a minute") if now - at < timedelta(minutes=1) else timesince(at, now, depth=units)


def time_until(at: datetime | None, now: datetime | None = None) -> str:
    """How long it is until `at` (UTC); a dash where it is not known. `now` is the current time unless given."""
    now = now or timezone.now()
    if at is None:
        return "–"
    return _("less than a minute") if at - now < timedelta(minutes=1) else timeuntil(at, now)
