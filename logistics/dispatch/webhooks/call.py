"""Sends one message to a warehouse and reads its answer. Needs no database, so that threads may call; never raises.

The form is Standard Webhooks 1.0.0. A 2xx is taken; 409 or 422 with a code of `REFUSALS` in a JSON body is a refusal;
anything else is no answer, and the message is sent again under the same id.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from logistics.carrier_calls.masking import masker
from logistics.models import WebhookResult
from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Reply, gateway
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers

# What a warehouse may say of an instruction at once; all else it says with `POST /api/v1/dispatches/ack/`.
REFUSALS = ("out_of_stock", "address_unserved")
LONGEST_PAUSE = timedelta(hours=1)
_REFUSED = (409, 422)
_BUSY = 429
_MOST_WORDS = 200

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Posting:
    """One try, with all that its call needs. `send_before` is a moment of `time.monotonic`: later it is not sent.

    `personal` is what the log hides beside the secret.
    """

    url: str
    secret: str
    message_id: str
    body: bytes
    personal: tuple[str, ...]
    send_before: float


@dataclass(frozen=True, slots=True)
class PostReply:
    """How a try ended. `words` are the warehouse's, masked, or the code of what kept it from answering.

    `code` is that of a refusal; `pause` how long the warehouse asks to be left alone.
    """

    result: WebhookResult
    status: int | None = None
    words: str = ""
    code: str = ""
    duration_ms: int = 0
    pause: timedelta = timedelta()

    @property
    def is_outage(self) -> bool:
        """Whether the address failed to answer, for its circuit breaker."""
        if self.result in (WebhookResult.LOST, WebhookResult.NOT_SENT):
            return True
        return self.status is not None and (self.status >= 500 or self.status == _BUSY)


def not_sent(code: str) -> PostReply:
    """The reply of a try that never went out."""
    return PostReply(WebhookResult.NOT_SENT, words=code)


def post(posting: Posting) -> PostReply:
    """Make the call."""
    if time.monotonic() > posting.send_before:
        return not_sent("busy")
    started = time.monotonic()
    try:
        headers = signed_headers(
            secret_bytes(posting.secret), posting.body, message_id=posting.message_id, at=timezone.now()
        )
        reply = gateway().post(posting.url, content=posting.body, headers=headers)
    except OutsideError as error:
        spent = round((time.monotonic() - started) * 1000)
        result = WebhookResult.NOT_SENT if error.outcome_known else WebhookResult.LOST
        return PostReply(result, words=error.code, duration_ms=spent)
    except Exception:  # the edge of a thread: the error is in the log, and the try counts as lost
        logger.exception("webhook to a warehouse failed", extra={"message_id": posting.message_id})
        return PostReply(WebhookResult.LOST, words="fault")
    return _read(reply, masker((posting.secret, *posting.personal)))


def _read(reply: Reply, masks: Callable[[bytes], str]) -> PostReply:
    if 200 <= reply.status < 300:
        return PostReply(WebhookResult.TAKEN, reply.status, duration_ms=reply.duration_ms)
    code, message = _code_and_message(reply.body)
    words = masks(message.encode() if message else reply.body)[:_MOST_WORDS].strip()
    if reply.status in _REFUSED and code in REFUSALS:
        return PostReply(WebhookResult.REFUSED, reply.status, words, code, reply.duration_ms)
    pause = _pause(reply.headers.get("retry-after", ""))
    return PostReply(WebhookResult.ANSWERED, reply.status, words, "", reply.duration_ms, pause)


def _code_and_message(body: bytes) -> tuple[str, str]:
    """The code and words of a JSON answer; empty where it has none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(value, dict):
        return "", ""
    code, message = value.get("code"), value.get("message")
    return (code if isinstance(code, str) else "", message if isinstance(message, str) else "")


def _pause(retry_after: str) -> timedelta:
    """What the Retry-After header asks for in seconds, at most LONGEST_PAUSE."""
    if not (retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7):
        return timedelta()
    return min(timedelta(seconds=int(retry_after)), LONGEST_PAUSE)
