"""The shop's two channels, played by scripted vendors."""

from __future__ import annotations

import pytest

from ordersite.messaging.senders.interface import AddressKind
from ordersite.messaging.tests.builders import add_channel, build_message_account, set_channels
from ordersite.messaging.tests.scripted import ScriptedSender


@pytest.fixture
def sms(monkeypatch: pytest.MonkeyPatch) -> ScriptedSender:
    """A channel without a key, as the first of the shop."""
    sender = add_channel(monkeypatch, "sms_one")
    build_message_account("sms_one")
    set_channels("sms_one", "mail_two")
    return sender


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch, sms: ScriptedSender) -> ScriptedSender:
    """The second channel."""
    sender = add_channel(monkeypatch, "mail_two", AddressKind.EMAIL)
    build_message_account("mail_two")
    return sender
