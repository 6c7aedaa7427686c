"""Receive a webhook call: check its signature on the raw bytes, store it in one statement, answer the provider.

The success response is sent only when the signature is valid and the row is durable.
"""

from __future__ import annotations

import logging
import time

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, UnreadablePostError

from ordersite.database.silence import time_limit
from ordersite.lib.crypto import CannotDecrypt
from ordersite.queue import wakeups
from ordersite.queue.inbox import ANSWER_SECONDS
from ordersite.server.machine_calls import MAX_BODY, refusal_before_reading
from payments.accounts.cache import known_accounts
from payments.notifications.raw_call import ReceivedCall, read_call
from payments.notifications.rejected import refuse, reject
from payments.notifications.store import INBOX, stored_call, verified_values
from payments.providers.errors import Rejected
from payments.providers.interface import Provider
from payments.providers.responses import NotificationResponse
from payments.providers.types import AccountKeys, ParsedNotification

DRAIN_TASK = "payments.drain_notifications"

logger = logging.getLogger(__name__)


@time_limit(ANSWER_SECONDS)
def receive(request: HttpRequest, provider: Provider, slug: str) -> NotificationResponse:
    """Find the account, verify and store the call; return the provider's success or failure response.

    A database error, a silent database or an unreadable key gives the provider's 503, so that it retries."""
    started = time.perf_counter()
    if code := refusal_before_reading(request):
        return refuse(provider, code)
    try:
        known = known_accounts.get((provider.name, slug))
        if known is None:
            return refuse(provider, "unknown_account")
        received = read_call(request, provider, known, started=started)
        if len(received.call.body) > MAX_BODY:
            return refuse(provider, "too_large")
        return _verify_and_store(provider, received)
    except UnreadablePostError:  # the body did not arrive in time (ordersite.server.front)
        return refuse(provider, "too_slow")
    except (DatabaseError, CannotDecrypt) as error:
        logger.error("notification not stored: %s", error.__class__.__name__, extra={"account": slug})
        connection.close_if_unusable_or_obsolete()  # or the next request would use the dead connection
        return provider.failure("unavailable")


def _verify_and_store(provider: Provider, received: ReceivedCall) -> NotificationResponse:
    try:
        notice, keys = _verify(provider, received)
    except Rejected as rejected:
        return reject(provider, received, rejected)
    INBOX.store(stored_call(received, verified_values(notice, keys)))
    wakeups.wake(DRAIN_TASK)
    return provider.success()


def _verify(provider: Provider, received: ReceivedCall) -> tuple[ParsedNotification, AccountKeys]:
    """Verify with the cached keys, then with reloaded ones; return what the call says and the keys that it fits.

    Another process may have changed the account's keys; the cache reloads at most once a second. Raises Rejected."""
    try:
        return provider.verify(received.call, received.known.keys), received.known.keys
    except Rejected:
        fresh = known_accounts.reload(received.known)
        if fresh is None:
            raise
        return provider.verify(received.call, fresh.keys), fresh.keys
