"""Quiet hours by the buyers' clock."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest
from django.utils import timezone

from ordersite.messaging.models import BuyerMessage, MessageSettings
from ordersite.messaging.senders.interface import AddressKind
from ordersite.messaging.sending.quiet_hours import next_day, quiet_until, start_of_day
from ordersite.messaging.tests.builders import (
    add_channel,
    build_announced,
    build_message_account,
    send,
    set_channels,
)


def at(text: str) -> datetime:
    """A time of 30 November 2026 in China, as UTC."""
    return datetime.fromisoformat(f"2026-11-{text}:00+08:00").astimezone(UTC)


def hours(begin: str, end: str, zone: str = "Asia/Shanghai") -> MessageSettings:
    return MessageSettings(
        quiet_from=time.fromisoformat(begin), quiet_to=time.fromisoformat(end), time_zone=zone
    )


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("29T21:59", None),
        ("29T22:00", "30T08:00"),
        ("29T23:59", "30T08:00"),
        ("30T00:00", "30T08:00"),
        ("30T07:59", "30T08:00"),
        ("30T08:00", None),
        ("30T12:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, until: str | None) -> None:
    assert quiet_until(hours("22:00", "08:00"), at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("now", "until"),
    [("30T11:59", None), ("30T12:00", "30T14:00"), ("30T13:59", "30T14:00"), ("30T14:00", None)],
)
def test_a_noon_lies_within_a_day(now: str, until: str | None) -> None:
    assert quiet_until(hours("12:00", "14:00"), at(now)) == (at(until) if until else None)


def test_the_clock_is_the_buyers() -> None:
    eight_in_berlin = datetime(2026, 11, 30, 21, 30, tzinfo=UTC)

    assert quiet_until(hours("22:00", "08:00", "Europe/Berlin"), eight_in_berlin) == datetime(
        2026, 12, 1, 7, 0, tzinfo=UTC
    )
    assert quiet_until(hours("22:00", "08:00"), eight_in_berlin) is not None


def test_no_hours_are_never_quiet() -> None:
    assert quiet_until(MessageSettings(quiet_from=None, quiet_to=None), timezone.now()) is None
    assert quiet_until(hours("08:00", "08:00"), timezone.now()) is None


def test_a_day_begins_at_the_buyers_midnight() -> None:
    settings = hours("22:00", "08:00")

    assert start_of_day(settings, at("30T07:00")) == at("30T00:00")
    assert next_day(settings, at("29T23:59")) == at("30T00:00")


@pytest.mark.django_db
def test_only_what_cannot_wait_is_sent_at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = add_channel(monkeypatch, "sms_one", AddressKind.PHONE)
    build_message_account("sms_one")
    whole_day = {"quiet_from": time(0), "quiet_to": time(23, 59, 59)}
    set_channels("sms_one", **whole_day)

    order = build_announced("refunded")
    send()

    assert {one.event for one in BuyerMessage.objects.filter(status="queued")} == {"order.refunded"}
    waiting = BuyerMessage.objects.get(order=order, event="order.refunded")
    assert waiting.reason == "quiet_hours"
    assert waiting.next_try_at is not None
    assert waiting.next_try_at > timezone.now()
    assert sender.seen == []  # the money is back: that it was paid is no news
