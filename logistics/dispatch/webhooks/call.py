"""Sends one message to a warehouse and reads its answer. Needs no database, so that threads may call; never raises.

The form is Standard Webhooks 1.0.0. A 2xx is taken; 409 or 422 with a code of `REFUSALS` in a JSON body is a refusal;
anything else is no answer, and the message is sent again under the same id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from logistics.models import WebhookResult
from ordersite.lib.http import Reply
from ordersite.lib.webhooks.post import SignedPost, asked_pause, is_outage, post_signed
from ordersite.outside_accounts.body_masking import masker

# What a warehouse may say of an instruction at once; all else it says with `POST /api/v1/dispatches/ack/`.
REFUSALS = ("out_of_stock", "address_unserved")
_REFUSED = (409, 422)
_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Posting:
    """One try, with all that its call needs. `personal` is what the log hides beside the secret."""

    message: SignedPost
    personal: tuple[str, ...]


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
        return self.status is not None and is_outage(self.status)


def not_sent(code: str) -> PostReply:
    """The reply of a try that never went out."""
    return PostReply(WebhookResult.NOT_SENT, words=code)


def post(posting: Posting) -> PostReply:
    """Make the call."""
    result = post_signed(posting.message)
    if result.reply is None:
        ended = WebhookResult.LOST if result.may_have_arrived else WebhookResult.NOT_SENT
        return PostReply(ended, words=result.code, duration_ms=result.duration_ms)
    return _read(result.reply, masker((posting.message.secret, *posting.personal)))


def _read(reply: Reply, masks: Callable[[bytes], str]) -> PostReply:
    if 200 <= reply.status < 300:
        return PostReply(WebhookResult.TAKEN, reply.status, duration_ms=reply.duration_ms)
    code, message = _code_and_message(reply.body)
    words = masks(message.encode() if message else reply.body)[:_MOST_WORDS].strip()
    if reply.status in _REFUSED and code in REFUSALS:
        return PostReply(WebhookResult.REFUSED, reply.status, words, code, reply.duration_ms)
    pause = asked_pause(reply.headers)
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
