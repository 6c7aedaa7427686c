"""Counts how often a message may have reached its reader, and says whether it may go out again by itself.

A vendor's key makes attempts one, for as long as it lasts. Beyond it a message of which nobody knows whether it was sent
goes out again by itself, for a buyer who hears nothing is worse off than one who hears it twice; but not for ever: then it
is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ordersite.messaging.models import AttemptResult, BuyerMessage, MessageAttempt
from ordersite.messaging.senders.registry import SENDERS

# Copies that a reader may have got before a person is asked.
MOST_COPIES = 3
# What may have arrived.
_SEEN = (AttemptResult.STARTED.value, AttemptResult.SENT.value, AttemptResult.UNKNOWN.value)
_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Doubts:
    """`times`: how many copies a reader may have got. `safe_until`: by channel, until when another attempt adds none."""

    times: int
    safe_until: Mapping[str, datetime]

    @property
    def allow_another(self) -> bool:
        """Whether it may go out once more by itself."""
        return self.times < MOST_COPIES

    def is_safe(self, channel: str, now: datetime) -> bool:
        """Whether an attempt over this channel at `now` (UTC) brings no further copy."""
        return channel in self.safe_until and now <= self.safe_until[channel]


def doubts_of(message: BuyerMessage) -> Doubts:
    """The doubts about a message since a person last had it sent. One query."""
    tries = MessageAttempt.objects.filter(outside_id=message.outside_id, result__in=_SEEN).order_by(
        "at", "pk"
    )
    times, safe_until = 0, dict[str, datetime]()
    for channel, at in tries.values_list("channel", "at"):
        if channel in safe_until and at <= safe_until[channel]:
            continue
        times += 1
        sender = SENDERS.get(channel)
        if sender is not None and sender.has_message_key:
            lasts = sender.message_key_lasts
            safe_until[channel] = _FOR_EVER if lasts is None else at + lasts
    return Doubts(times, safe_until)


def is_final(message: BuyerMessage) -> bool:
    """Whether nothing more is sent by itself: it may have arrived as often as may be."""
    return message.is_uncertain and not doubts_of(message).allow_another
