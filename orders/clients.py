"""API clients: authentication by bearer token, scopes, and the rate limit. `orders.tokens` renews tokens."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from orders.models import ApiClient, Merchant
from ordersite.database import prepared
from ordersite.server.request_rate import RequestRate

if (
    TYPE_CHECKING
):  # DRF's views read the settings, which name this module: a cycle where this is imported first
    from rest_framework.views import APIView

SCOPES = ("orders:read", "orders:write", "shipments:write")
# The last use is exact to this: a write for each call would double the cost of a read.
USE_NOTED_EVERY = timedelta(hours=1)
# In the order of the models. Other columns load on first access.
_CLIENT_COLUMNS = (
    "id", "merchant_id", "name", "scopes", "requests_per_second", "expires_at", "last_used_at", "old_token_until",
)  # fmt: skip
_MERCHANT_COLUMNS = ("id", "slug", "name", "payment_timeout_minutes")

_RATE = RequestRate("api-rate", seconds=1)


def digest_token(token: str) -> str:
    """The SHA-256 of a token. A token has 256 random bits, so that a plain hash cannot be reversed by guessing."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """A fresh bearer token of 256 random bits."""
    return secrets.token_urlsafe(32)


def hint_of(token: str) -> str:
    """The beginning of a token, by which people tell one from another."""
    return token[:6]


def expiry_after(days: int | None, *, now: datetime) -> datetime | None:
    """The moment (UTC) at which a token for so many days expires; None for one without an end."""
    return None if days is None else now + timedelta(days=days)


def add_client(
    merchant: Merchant, *, name: str, scopes: Sequence[str], days: int | None = None
) -> tuple[ApiClient, str]:
    """Create a client; returns it with its token, which is not stored. It expires in `days`, or never.

    Raises ValueError for an unknown scope.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise ValueError(f"there is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    token = new_token()
    client = ApiClient.objects.create(
        merchant=merchant,
        name=name,
        token_digest=digest_token(token),
        token_hint=hint_of(token),
        scopes=sorted(set(scopes)),
        expires_at=expiry_after(days, now=timezone.now()),
    )
    return client, token


def described(client: ApiClient) -> dict[str, str]:
    """What an auditor may read of a token: its beginning, what it may do and its end."""
    ends = f"{client.expires_at:%Y-%m-%d}" if client.expires_at else ""
    return {"token": f"{client.token_hint}…", "scopes": " ".join(client.scopes), "expires_at": ends}


# Plain SQL, because it runs for every call: building the same query with the ORM takes longer than running it.
_COLUMNS = """
SELECT c.id, c.name, c.scopes, c.requests_per_second, c.expires_at, c.last_used_at, c.old_token_until,
  m.id, m.slug, m.name, m.payment_timeout_minutes
FROM orders_apiclient c JOIN orders_merchant m ON m.id = c.merchant_id
"""
_FIND_CLIENT = f"{_COLUMNS} WHERE c.token_digest = %s AND c.is_active AND m.is_active"
_FIND_BY_OLD_TOKEN = f"{_COLUMNS} WHERE c.old_token_digest = %s AND c.is_active AND m.is_active"


def _find_client(token_digest: str) -> ApiClient:
    """The active client of an active merchant. Never cached: a revoked token fails at once.

    Raises AuthenticationFailed: no such token, or it has expired.
    """
    now = timezone.now()
    if row := prepared.look_up(_FIND_CLIENT, [token_digest]):
        client = _client(row)
        ends = client.expires_at
    elif row := prepared.look_up(_FIND_BY_OLD_TOKEN, [token_digest]):
        client = _client(row)
        ends = client.old_token_until
    else:
        raise AuthenticationFailed(_("This token is not known."))
    if ends is not None and ends <= now:
        day = timezone.localtime(ends).strftime("%Y-%m-%d %H:%M")
        raise AuthenticationFailed(_("This token expired at %(time)s.") % {"time": day}, code="token_expired")
    if client.last_used_at is None or client.last_used_at < now - USE_NOTED_EVERY:
        ApiClient.objects.filter(pk=client.pk).update(last_used_at=now)
    return client


def _client(row: Sequence[Any]) -> ApiClient:
    pk, name, scopes, rate, expires_at, used_at, old_until, *merchant = row
    known = json.loads(scopes) if isinstance(scopes, str) else scopes
    times = [_moment(expires_at), _moment(used_at), _moment(old_until)]
    client = ApiClient.from_db(None, _CLIENT_COLUMNS, [pk, merchant[0], name, known, rate, *times])
    client.merchant = Merchant.from_db(None, _MERCHANT_COLUMNS, merchant)
    return client


def _moment(value: datetime | str | None) -> datetime | None:
    """A time of a row that was read by plain SQL; SQLite has it in UTC without a zone, as a time or as text."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


class BearerAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer TOKEN`; `request.auth` is the ApiClient with its merchant."""

    def authenticate(self, request: Request) -> tuple[None, ApiClient] | None:
        kind, _blank, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return None
        return None, _find_client(digest_token(token.strip()))

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class HasScope(BasePermission):
    """Requires the scope that the view's `required_scopes` names for the method; HEAD needs that of GET."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiClient):
            return False
        required: Mapping[str, str] = getattr(view, "required_scopes", {})
        scope = required.get("GET" if request.method == "HEAD" else str(request.method))
        return scope is None or scope in request.auth.scopes


class ClientRate(BaseThrottle):
    """Allows a client `requests_per_second` in each second of the clock."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        client = request.auth
        return not isinstance(client, ApiClient) or _RATE.allows(client.pk, client.requests_per_second)

    def wait(self) -> float:
        return 1.0


def client_of(request: Request) -> ApiClient:
    """The authenticated client of a request. Raises AuthenticationFailed if there is none."""
    client: Any = request.auth
    if not isinstance(client, ApiClient):
        raise AuthenticationFailed
    return client
