"""Saves endpoints: checks the address and the events, makes and rotates secrets. Audited, and the approvers get mail."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from orders.approvals import server_changes
from orders.models import Merchant
from ordersite.lib import crypto
from ordersite.lib.errors import DomainError
from ordersite.lib.outgoing.addresses import address_problems
from ordersite.merchant_webhooks.catalogue import BY_NAME
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.outside_accounts.fingerprints import described

# So long the old secret signs beside the new one.
ROTATION = timedelta(hours=24)
MOST_OLDER = 5
_URL_LENGTH = 500


@dataclass(frozen=True, slots=True)
class SavedEndpoint:
    """`secret` is shown once."""

    endpoint: WebhookEndpoint
    secret: str


def add_endpoint(
    merchant: Merchant, *, url: str, events: Sequence[str], by: AbstractUser | None = None
) -> SavedEndpoint:
    """Create an endpoint with a new secret. `by` is None for a command on the server.

    Raises `DomainError` bad_endpoint with every problem, or endpoint_exists.
    """
    url, events = _checked(url, events)
    endpoint = WebhookEndpoint(
        slug=f"wh_{secrets.token_hex(12)}", merchant=merchant, url=url, events=list(events)
    )
    secret = _new_secret()
    endpoint.seal_secrets({"secret": secret, "older": []})
    with transaction.atomic():
        made = WebhookEndpoint.objects.bulk_create([endpoint], ignore_conflicts=True)
        found = WebhookEndpoint.objects.filter(slug=made[0].slug).first()
        if found is None:
            raise _exists()
        _note(found, before={}, by=by)
    return SavedEndpoint(found, secret)


def change_endpoint(
    endpoint: WebhookEndpoint, *, url: str, events: Sequence[str], by: AbstractUser | None = None
) -> WebhookEndpoint:
    """Change address and events. What waits goes to the new address. Raises `DomainError` like `add_endpoint`."""
    url, events = _checked(url, events)

    def change(row: WebhookEndpoint) -> None:
        if WebhookEndpoint.objects.filter(merchant=row.merchant_id, url=url).exclude(pk=row.pk).exists():
            raise _exists()
        row.url, row.events = url, list(events)
        row.failures_in_a_row, row.next_call_at = 0, None

    return _change(endpoint, change, by=by)


def rotate_secret(endpoint: WebhookEndpoint, *, by: AbstractUser | None = None) -> SavedEndpoint:
    """Make a new secret. The old one signs beside it for ROTATION, so that no message is lost meanwhile."""
    secret, now = _new_secret(), timezone.now()

    def change(row: WebhookEndpoint) -> None:
        known = _secrets_of(row)
        older = [one for one in known.get("older", []) if _end_of(one) > now]
        if "secret" in known:
            older.insert(0, {"secret": known["secret"], "until": (now + ROTATION).isoformat()})
        row.seal_secrets({"secret": secret, "older": older[:MOST_OLDER]})
        row.rotating_until = now + ROTATION if older else None

    return SavedEndpoint(_change(endpoint, change, by=by), secret)


def shown(endpoint: WebhookEndpoint) -> dict[str, str]:
    """What may be shown of an endpoint, by name: the secret as a fingerprint."""
    values = {"url": endpoint.url, "events": " ".join(endpoint.events)}
    known = _secrets_of(endpoint)
    return described(values, {"secret": known["secret"]} if "secret" in known else {})


def _change(
    endpoint: WebhookEndpoint, change: Callable[[WebhookEndpoint], None], *, by: AbstractUser | None
) -> WebhookEndpoint:
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update(of=("self",)).get(pk=endpoint.pk)
        before = shown(row)
        change(row)
        row.changed_at = timezone.now()
        row.save()
        _note(row, before=before, by=by)
    return row


def _note(row: WebhookEndpoint, *, before: dict[str, str], by: AbstractUser | None) -> None:
    changed = server_changes.Changed(
        WebhookEndpoint._meta.db_table, row.pk, f"{row.merchant.slug} {row.host}"
    )
    server_changes.note(changed, before=before, after=shown(row), by=by)


def _secrets_of(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Empty where they cannot be opened any more: rotating them mends that."""
    try:
        return endpoint.open_secrets()
    except crypto.CannotDecrypt:
        return {}


def _end_of(older: dict[str, str]) -> datetime:
    return parse_datetime(older["until"]) or timezone.now()


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(os.urandom(32)).decode()}"


def _checked(url: str, events: Sequence[str]) -> tuple[str, list[str]]:
    """The address without blanks around it, and the events without repeats. Raises bad_endpoint."""
    url, names = url.strip(), list(dict.fromkeys(events))
    problems = list(address_problems("url", url))
    if not problems and (len(url) > _URL_LENGTH or not url.isprintable() or " " in url):
        problems.append(_("url: Give an address of at most %(most)s letters.") % {"most": _URL_LENGTH})
    if not names:
        problems.append(_("Choose at least one event."))
    problems += [
        _("%(name)s is not an event of the catalogue.") % {"name": name}
        for name in names
        if name not in BY_NAME
    ]
    if problems:
        template = _("The endpoint cannot be saved: %(problems)s")
        raise DomainError("bad_endpoint", template, problems=" ".join(problems))
    return url, names


def _exists() -> DomainError:
    return DomainError("endpoint_exists", _("This merchant has an endpoint of this address already."))
