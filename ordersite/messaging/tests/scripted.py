"""Channels of tests: vendors that answer as they are told, and remember what they took."""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta

from ordersite.lib.http import Gateway
from ordersite.messaging.senders.interface import AddressKind, Sender
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


class ScriptedSender(Sender):
    """A vendor: each call takes the next of `answers`, or is taken; `seen` is all that arrived."""

    config_keys = ()
    secret_keys = ("password",)
    optional_config_keys = ("templates",)
    optional_secret_keys = ()
    most_a_second = None
    takes_reports = True

    def __init__(self, name: str, kind: AddressKind = AddressKind.PHONE) -> None:
        self.name = self.label = name
        self.address_kind = kind
        self.answers: deque[SendError | None] = deque()
        self.seen: list[OutgoingMessage] = []
        self.tokens: list[str] = []
        self.fetched = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def check(self, keys: ChannelKeys) -> list[str]:
        return []

    def send(self, message: OutgoingMessage, keys: ChannelKeys, gateway: Gateway, token: str = "") -> Sent:
        time.sleep(self.seconds)
        with self._lock:
            self.seen.append(message)
            self.tokens.append(token)
            if self.needs_token and token != f"token-{self.fetched}":
                raise SendError("token_expired", "40001")
            answer = self.answers.popleft() if self.answers else None
            number = len(self.seen)
        if answer is not None:
            raise answer
        return Sent(f"{self.name}-{number}")

    def fetch_token(self, keys: ChannelKeys, gateway: Gateway) -> AccessToken:
        time.sleep(self.seconds)
        with self._lock:
            self.fetched += 1
            return AccessToken(f"token-{self.fetched}", datetime.now(UTC) + timedelta(hours=2))

    def read_reports(self, call: ReportCall, keys: ChannelKeys) -> tuple[tuple[Report, ...], ReportReply]:
        """The body is `number key delivered|failed`, a line each."""
        at = datetime(2026, 11, 30, 8, tzinfo=UTC)
        rows = [line.split() for line in call.body.decode().splitlines()]
        reports = tuple(
            Report(
                vendor_id=number.strip("-") and number,
                key="" if key == "-" else key,
                is_delivered=word == "delivered",
                code=word.upper(),
                at=at,
            )
            for number, key, word in rows
        )
        return reports, ReportReply(200, "text/plain", b"got it")
