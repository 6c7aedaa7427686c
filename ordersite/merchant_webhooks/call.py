"""Sends one message to an endpoint and reads its answer. Needs no database, so that threads may call; never raises.

A 2xx is taken. 410 says that the address no longer exists. Anything else, a redirect among it, is sent again later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ordersite.lib.webhooks.post import BUSY, asked_pause, is_outage, post_signed
from ordersite.merchant_webhooks.judge import EventSending
from ordersite.outside_accounts.body_masking import masker

MOST_WORDS = 1000
_GONE = 410


@dataclass(frozen=True, slots=True)
class EventReply:
    """How a try ended. `words` are the beginning of the answer, masked, or the code of why there was none.

    `pause` is how long the receiver asks to be left alone.
    """

    status: int | None = None
    words: str = ""
    duration_ms: int = 0
    pause: timedelta = timedelta()

    @property
    def is_unsent(self) -> bool:
        """Whether this process was too busy to send it: the endpoint has no part in it."""
        return self.status is None and self.words == BUSY

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == _GONE

    @property
    def is_outage(self) -> bool:
        """Whether the address failed to answer, for its circuit breaker."""
        return is_outage(self.status)


def call(sending: EventSending) -> EventReply:
    """Make the call."""
    result = post_signed(sending.post)
    if result.reply is None:
        return EventReply(words=result.code, duration_ms=result.duration_ms)
    reply = result.reply
    words = masker(sending.personal)(reply.body)[:MOST_WORDS].strip()
    return EventReply(reply.status, words, reply.duration_ms, asked_pause(reply.headers))
