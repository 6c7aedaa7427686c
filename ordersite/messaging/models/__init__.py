"""Messages to buyers and staff: the outbox, its accounts, texts and settings."""

from __future__ import annotations

from ordersite.messaging.models.account import MessageAccount
from ordersite.messaging.models.attempt import AttemptResult, MessageAttempt, MessageResend
from ordersite.messaging.models.events import MessageEvent
from ordersite.messaging.models.message import BuyerMessage, BuyerMessageQuerySet, MessageStatus
from ordersite.messaging.models.settings import MessageSettings
from ordersite.messaging.models.stop_list import AddressKindChoices, StopListEntry, SubscriptionConsent
from ordersite.messaging.models.template import MessageTemplate

__all__ = [
    "AddressKindChoices",
    "AttemptResult",
    "BuyerMessage",
    "BuyerMessageQuerySet",
    "MessageAccount",
    "MessageAttempt",
    "MessageEvent",
    "MessageResend",
    "MessageSettings",
    "MessageStatus",
    "MessageTemplate",
    "StopListEntry",
    "SubscriptionConsent",
]
