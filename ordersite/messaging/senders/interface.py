"""The interface of a sender: dataclasses in, dataclasses out.

A sender knows its vendor's API and imports no models, tasks or settings.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from django.utils.functional import Promise

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.types import (
    AccessToken,
    ChannelKeys,
    OutgoingMessage,
    Report,
    ReportCall,
    ReportReply,
    SendError,
    Sent,
)
from ordersite.outside_accounts.files import NamesKeys


class AddressKind(StrEnum):
    """What a channel knows a person by; a robot writes to its own group."""

    PHONE = "phone"
    OPENID = "openid"
    EMAIL = "email"
    NONE = "none"


class Sender(NamesKeys, Protocol):
    """The sender of one channel.

    `is_for_staff`: it reaches a group of colleagues, not a buyer. `uses_templates`: the text is the vendor's; a message
    needs `template_id` and `params`. `has_message_key`: the vendor sends one message however often a key is sent, for
    `message_key_lasts` after the first. `needs_token`: `send` wants a token of `fetch_token`. `most_a_second` and
    `most_a_day_per_number` are the vendor's limits of one account; None: it names none. `takes_reports`: the vendor
    says later what became of a message.
    """

    name: str
    label: str | Promise
    address_kind: AddressKind
    is_for_staff: bool = False
    uses_templates: bool = False
    has_message_key: bool = False
    message_key_lasts: timedelta | None = None
    needs_token: bool = False
    most_a_second: float | None = None
    most_a_day_per_number: int | None = None
    takes_reports: bool = False

    @abstractmethod
    def check(self, keys: ChannelKeys) -> list[str]:
        """The problems of an account's keys, in the reader's language. Makes no call."""

    @abstractmethod
    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        """Send a message. `token` is the value of an access token. Raises `SendError`."""

    def fetch_token(self, keys: ChannelKeys, gateway: Gateway) -> AccessToken:
        """Fetch a new access token. Raises `SendError`."""
        raise SendError("refused", self.name)

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """Read the delivery reports of a call, from the raw bytes, and the answer to it once they are stored."""
        return (), ReportReply(404, "text/plain", b"")
