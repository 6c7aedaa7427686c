"""Taking providers' calls: verify on the raw bytes, store with one statement, answer in the provider's own words.

Success is answered only when the row is durable and its signature good.
"""

from __future__ import annotations

import logging
import time

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, UnreadablePostError

from ordersite.lib.crypto import CannotDecrypt
from ordersite.queue import wakeups
from payments.accounts.cache import known_accounts
from payments.notifications import store
from payments.notifications.raw_call import COMPRESSIONS, ReceivedCall, content_length, read_call
from payments.notifications.rejected import (
    refuse,
    reject,
)
from payments.notifications.store import stored_call, verified_values
from payments.providers.errors import Rejected
from payments.providers.interface import Provider
from payments.providers.responses import NotificationResponse
from payments.providers.types import ParsedNotification
from payments.providers.values import MAX_BODY

DRAIN_HINT = "payments.drain_notifications"

logger = logging.getLogger(__name__)


def take_call(request: HttpRequest, provider: Provider, slug: str) -> NotificationResponse:
    """The whole of it: find the account, verify, store, answer. Any database error is a 503 in the provider's words."""
    started = time.perf_counter()
    if content_length(request) > MAX_BODY:
        return refuse(provider, "too_large")
    if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() in COMPRESSIONS:
        return refuse(provider, "compressed")
    try:
        known = known_accounts.get(provider.name, slug)
        if known is None:
            return refuse(provider, "unknown_account")
        received = read_call(request, known, started)
        if len(received.call.body) > MAX_BODY:
            return refuse(provider, "too_large")
        return _judge(provider, received)
    except UnreadablePostError:  # it did not come, or not in time (ordersite.server.front)
        return refuse(provider, "too_slow")
    except (DatabaseError, CannotDecrypt) as error:
        logger.error("notification not stored: %s", error.__class__.__name__, extra={"account": slug})
        connection.close_if_unusable_or_obsolete()  # a connection that died with its server stays dead otherwise
        return provider.failure("unavailable")


def _judge(provider: Provider, received: ReceivedCall) -> NotificationResponse:
    try:
        notice = _verify(provider, received)
    except Rejected as rejected:
        return reject(provider, received, rejected)
    store.store(stored_call(received, verified_values(notice)))
    wakeups.hint(DRAIN_HINT)
    return provider.success()


def _verify(provider: Provider, received: ReceivedCall) -> ParsedNotification:
    """A failed signature may mean that the account's key was changed elsewhere: once a second we look."""
    try:
        return provider.verify(received.call, received.known.keys)
    except Rejected:
        fresh = known_accounts.reload(received.known)
        if fresh is None:
            raise
        return provider.verify(received.call, fresh.keys)
