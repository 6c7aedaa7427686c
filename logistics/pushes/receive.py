"""Receive a push: find its account, check it on the raw bytes, store it in one statement, answer the carrier.

The success reply is sent only when the push is genuine and its rows are durable.
"""

from __future__ import annotations

import logging
import time

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, UnreadablePostError

from logistics.carriers.interface import Carrier
from logistics.carriers.types import PushCall, PushedRoute, PushRejected, PushReply
from logistics.models import CARRIERS
from logistics.pushes.known import Known, account_of, known_accounts
from logistics.pushes.rejected import failure, refuse, reject
from logistics.pushes.store import INBOX, ReceivedPush, verified_push
from ordersite.database.silence import time_limit
from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.webhooks.signature import HEADERS
from ordersite.queue import wakeups
from ordersite.queue.inbox import ANSWER_SECONDS
from ordersite.server.machine_calls import MAX_BODY, read_machine_call, refusal_before_reading

APPLY_TASK = "logistics.apply_pushes"
_CODES = frozenset(code for code, _name in CARRIERS) | {""}

logger = logging.getLogger(__name__)


@time_limit(ANSWER_SECONDS)
def receive(request: HttpRequest, connector: Carrier, token: str) -> PushReply:
    """Return the carrier's success or failure reply.

    A database error, a silent database or an unreadable key gives a 503, so that the carrier retries.
    """
    started, received = time.perf_counter(), None
    if code := refusal_before_reading(request):
        return refuse(connector, code)
    try:
        known = account_of(connector.name, token)
        if known is None:
            return refuse(connector, "unknown_account")
        received = _read(request, known, started)
        if len(received.call.body) > MAX_BODY:
            return refuse(connector, "too_large")
        return _verify_and_store(connector, received)
    except UnreadablePostError:  # the body did not arrive in time (ordersite.server.front)
        return refuse(connector, "too_slow")
    except (DatabaseError, CannotDecrypt) as error:
        logger.error("push not stored: %s", error.__class__.__name__, extra={"carrier": connector.name})
        connection.close_if_unusable_or_obsolete()  # or the next request would use the dead connection
        return failure(connector, "unavailable", received.call if received else None)


def _read(request: HttpRequest, known: Known, started: float) -> ReceivedPush:
    """Raises UnreadablePostError when the body does not arrive."""
    found = read_machine_call(request, signed=HEADERS)
    return ReceivedPush(
        known, PushCall(found.headers, found.body), found.kept_headers, found.remote_address, started
    )


def _verify_and_store(connector: Carrier, received: ReceivedPush) -> PushReply:
    try:
        routes = _verify(connector, received)
    except PushRejected as rejected:
        return reject(connector, received, rejected)
    if routes:
        INBOX.store(verified_push(received, routes))
        wakeups.wake(APPLY_TASK)
    return connector.push_reply_to(received.call, True)


def _verify(connector: Carrier, received: ReceivedPush) -> tuple[PushedRoute, ...]:
    """Verify with the cached keys, then with reloaded ones. Raises `PushRejected`.

    Another process may have changed the account's keys; the cache reloads at most once a second.
    """
    try:
        return read_routes_of(connector, received.call, received.known)
    except PushRejected:
        fresh = known_accounts.reload(received.known)
        if fresh is None:
            raise
        return read_routes_of(connector, received.call, fresh)


def read_routes_of(connector: Carrier, call: PushCall, known: Known) -> tuple[PushedRoute, ...]:
    """What a push says, by these keys. Raises `PushRejected`, also for a carrier that is none of ours."""
    routes = connector.read_push(call, known.keys)
    if any(not {route.carrier, route.corrected_carrier} <= _CODES for route in routes):
        raise PushRejected("malformed", f"carrier: one of {', '.join(sorted(_CODES - {''}))}")
    return routes
