"""The relay: every event reaches every handler; one that fails is tried again, one nobody knows is parked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from ordersite.queue import outbox, relay
from ordersite.queue.models import Delivery, OutboxEntry
from ordersite.queue.relay import Answer, Delivered, Later

pytestmark = pytest.mark.django_db


def publish(*subjects: int, name: str = "thing.happened") -> None:
    with transaction.atomic():
        outbox.publish([outbox.Event(name, subject, timezone.now(), {"n": subject}) for subject in subjects])


class Recorder:
    """A handler that remembers what it was given."""

    def __init__(self, *, poison: int = 0, later: int = 0) -> None:
        self.seen: list[int] = []
        self.poison = poison
        self.later = later

    def __call__(self, events: Sequence[Delivered]) -> Sequence[Answer]:
        if any(event.subject_id == self.poison for event in events):
            raise RuntimeError("poison")
        self.seen += [event.subject_id for event in events]
        wait = Later(timedelta(minutes=5), "not yet")
        return [wait if event.subject_id == self.later else None for event in events]


def test_each_handler_gets_each_event_once() -> None:
    one, two = Recorder(), Recorder()
    publish(1, 2, 3)
    assert relay.run({"thing.happened": {"one": one, "two": two}}) == 6
    assert (one.seen, two.seen) == ([1, 2, 3], [1, 2, 3])
    assert (OutboxEntry.objects.count(), Delivery.objects.count()) == (0, 0)
    assert relay.run({"thing.happened": {"one": one, "two": two}}) == 0


def test_poison_event_stops_no_other() -> None:
    handler = Recorder(poison=57)
    publish(*range(1, 101))
    assert relay.run({"thing.happened": {"one": handler}}) == 99
    left = Delivery.objects.get()
    assert (left.subject_id, left.attempts, left.last_error) == (57, 1, "RuntimeError('poison')")
    assert left.due_at > timezone.now()


def test_poison_event_is_parked_after_8_attempts() -> None:
    handler = Recorder(poison=1)
    publish(1)
    for _ in range(8):
        relay.run({"thing.happened": {"one": handler}})
        Delivery.objects.update(due_at=timezone.now())
    assert Delivery.objects.get().parked_at is not None


def test_later_is_not_a_failure() -> None:
    handler = Recorder(later=2)
    publish(1, 2)
    relay.run({"thing.happened": {"one": handler}})
    left = Delivery.objects.get()
    assert (left.subject_id, left.attempts, left.last_error) == (2, 0, "not yet")


def test_unknown_event_is_parked_not_dropped() -> None:
    publish(9, name="future.event")
    relay.run({"thing.happened": {}})
    parked = Delivery.objects.get()
    assert (parked.event, parked.subject_id, parked.handler) == ("future.event", 9, "unknown")
    assert parked.parked_at is not None


def test_event_without_handlers_is_removed() -> None:
    publish(1)
    assert relay.run({"thing.happened": {}}) == 0
    assert (OutboxEntry.objects.count(), Delivery.objects.count()) == (0, 0)


def test_a_handler_on_demand_gets_what_is_wanted() -> None:
    wanted, idle, beside = Recorder(), Recorder(), Recorder()
    asked: list[str] = []

    def is_wanted() -> bool:
        asked.append("yes")
        return True

    table: relay.Table = {
        "thing.happened": {
            "wanted": relay.OnDemand(wanted, is_wanted),
            "idle": relay.OnDemand(idle, lambda: False),
            "beside": beside,
        }
    }
    publish(1, 2, 3)

    assert relay.run(table) == 6

    assert (wanted.seen, idle.seen, beside.seen) == ([1, 2, 3], [], [1, 2, 3])
    assert (asked, Delivery.objects.count()) == (["yes"], 0)
