"""The life of API tokens: rotation with both tokens valid for a while, and an alert before one expires."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from orders.clients import digest_token, expiry_after, hint_of, new_token
from orders.models import ApiClient
from ordersite.health import alerts
from ordersite.health.models import Alert

WARN_BEFORE = timedelta(days=14)
OLD_TOKEN_DAYS = 7
_REPEATED = timedelta(days=1)


def rotate(client: ApiClient, *, old_days: int = OLD_TOKEN_DAYS, days: int | None = None) -> str:
    """Give a client a new token and return it; the old one works `old_days` more, or until it expires if that is sooner.

    The new token expires in `days`, or never. A token that was rotated out before works no longer. The client stays the
    same: its Idempotency-Keys and its name in the history.
    """
    now, token = timezone.now(), new_token()
    with transaction.atomic():
        row = ApiClient.objects.select_for_update(no_key=True).get(pk=client.pk)
        ends = [now + timedelta(days=old_days), *([row.expires_at] if row.expires_at else [])]
        row.old_token_digest, row.old_token_until = row.token_digest, min(ends)
        row.token_digest, row.token_hint = digest_token(token), hint_of(token)
        row.expires_at = expiry_after(days, now=now)
        row.save(
            update_fields=["token_digest", "token_hint", "expires_at", "old_token_digest", "old_token_until"]
        )
    return token


def watch_expiry() -> None:
    """Raise an alert for each active token that expires within WARN_BEFORE or has expired; close the others.

    Once a day for each, since operations get mail whenever one is raised. Runs by the clock.
    """
    now = timezone.now()
    ending = ApiClient.objects.filter(is_active=True, expires_at__lte=now + WARN_BEFORE)
    due = {_subject(client): _text(client, now) for client in ending.select_related("merchant")}
    alerts.heal_others(Alert.Kind.TOKEN_EXPIRES, set(due))
    known = Alert.objects.filter(
        kind=Alert.Kind.TOKEN_EXPIRES, closed_at__isnull=True, last_at__gt=now - _REPEATED
    )
    fresh = set(known.values_list("subject", flat=True))
    for subject, text in due.items():
        if subject not in fresh:
            alerts.raise_alert(Alert.Kind.TOKEN_EXPIRES, subject, text)


def _subject(client: ApiClient) -> str:
    """Two programs of a shop may have one name."""
    return f"{client.name} ({client.merchant.slug}, {client.token_hint}…)"


def _text(client: ApiClient, now: datetime) -> str:
    if client.expires_at is None:
        return ""
    verb = "expired" if client.expires_at <= now else "expires"
    used = f"{client.last_used_at:%Y-%m-%d}" if client.last_used_at else "never"
    return f"{verb} {client.expires_at:%Y-%m-%d %H:%M %Z}, last used {used}"
