"""Receive delivery reports: find the account by the token, let its sender read the call, store, answer the vendor."""

from __future__ import annotations

import hashlib
import hmac
import logging

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, UnreadablePostError
from django.utils import timezone

from logistics.models import RefusedPush
from ordersite.database.silence import time_limit
from ordersite.lib.crypto import CannotDecrypt
from ordersite.messaging.accounts import keys_of
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.reports.store import store_reports
from ordersite.messaging.senders.interface import Sender
from ordersite.messaging.senders.types import ChannelKeys, ReportCall, ReportReply
from ordersite.outside_accounts.opened import Opened, OpenedAccounts
from ordersite.queue.inbox import ANSWER_SECONDS
from ordersite.queue.refused_calls import count_safely
from ordersite.server.machine_calls import MAX_BODY, read_machine_call, refusal_before_reading

PREFIX = "/push/message/"
# The HTTP status of a call that was not read, or not stored. Any other is the vendor's own.
STATUS = {
    "unknown_account": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "compressed": 415,
    "unavailable": 503,
}

logger = logging.getLogger(__name__)


def _find(digest: str) -> MessageAccount | None:
    return MessageAccount.objects.filter(push_token_digest=digest).first()


known_accounts: OpenedAccounts[str, MessageAccount, ChannelKeys] = OpenedAccounts(_find, keys_of)


@time_limit(ANSWER_SECONDS)
def receive(request: HttpRequest, sender: Sender, token: str) -> ReportReply:
    """Return the vendor's success or failure reply: success only once the reports are stored.

    A database error, a silent database or an unreadable key gives a 503, so that the vendor sends them again.
    """
    if code := refusal_before_reading(request):
        return refuse(sender.name, code)
    try:
        known = _account_of(sender.name, token)
        if known is None:
            return refuse(sender.name, "unknown_account")
        call = _read(request)
        if len(call.body) > MAX_BODY:
            return refuse(sender.name, "too_large")
        reports, reply = sender.read_reports(call, known.keys)
        if reply.status < 400:
            store_reports(known.id, reports)
        else:
            count_safely(RefusedPush, f"{PREFIX}{sender.name}/", "rejected")
    except UnreadablePostError:  # the body did not arrive in time (ordersite.server.front)
        return refuse(sender.name, "too_slow")
    except (DatabaseError, CannotDecrypt) as error:
        logger.error("report not stored: %s", error.__class__.__name__, extra={"channel": sender.name})
        connection.close_if_unusable_or_obsolete()  # or the next request would use the dead connection
        return _failure("unavailable")
    return reply


def refuse(channel: str, code: str) -> ReportReply:
    """Count a call that was not read, and answer it."""
    count_safely(RefusedPush, f"{PREFIX}{channel}/", code)
    return _failure(code)


def refuse_address() -> ReportReply:
    """Count a call to an address that is none of ours, and answer it."""
    return refuse("*", "unknown_account")


def _failure(code: str) -> ReportReply:
    return ReportReply(STATUS[code], "text/plain", b"")


def _account_of(channel: str, token: str) -> Opened[str, ChannelKeys] | None:
    """The account that this address belongs to. Looked up by the digest, so that the time says nothing of tokens."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    known = known_accounts.get(digest)
    if known is None or not hmac.compare_digest(known.name, digest) or known.keys.channel != channel:
        return None
    return known


def _read(request: HttpRequest) -> ReportCall:
    """Raises UnreadablePostError when the body does not arrive."""
    found = read_machine_call(request)
    return ReportCall(
        method=request.method or "",
        query={name: request.GET[name] for name in request.GET},
        headers=found.headers,
        body=found.body,
        received_at=timezone.now(),
    )
