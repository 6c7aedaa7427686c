"""Two versions side by side: no event is lost between them, and what nobody knows is shown."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from ordersite.flow import FLOW
from ordersite.health.models import Alert
from ordersite.queue import deploys, outbox, relay
from ordersite.queue.models import Delivery, SpreadBatch
from ordersite.queue.tests.test_relay import Recorder

pytestmark = pytest.mark.django_db


def publish(*subjects: int, name: str = "thing.happened") -> None:
    with transaction.atomic():
        outbox.publish([outbox.Event(name, subject, timezone.now(), {"n": subject}) for subject in subjects])


def alerts() -> list[tuple[str, str]]:
    return list(Alert.objects.filter(closed_at__isnull=True).values_list("kind", "subject"))


@pytest.mark.parametrize("new_runs_first", [True, False])
def test_handler_of_newer_version_misses_nothing(new_runs_first: bool) -> None:
    one, two = Recorder(), Recorder()
    old: relay.Table = {"thing.happened": {"one": one}}
    new: relay.Table = {"thing.happened": {"one": one, "two": two}}
    if new_runs_first:
        relay.run(new)
    publish(1, 2)
    relay.run(old)
    assert (one.seen, two.seen) == ([1, 2], [])

    for table in (new, old, new):
        relay.run(table)
    assert (one.seen, two.seen) == ([1, 2], [1, 2]), "each once"
    assert not Delivery.objects.exists()


def test_unknown_event_is_delivered_once_it_is_known() -> None:
    handler = Recorder()
    publish(9, name="future.event")
    relay.run({"thing.happened": {}})
    assert alerts() == [("delivery_parked", "unknown")]
    relay.run({"thing.happened": {}, "future.event": {"new": handler}})
    assert (handler.seen, Delivery.objects.count()) == ([9], 0)


def test_known_event_without_handlers_is_done() -> None:
    publish(9, name="future.event")
    relay.run({"thing.happened": {}})
    relay.run({"future.event": {}})
    assert not Delivery.objects.exists()


def test_delivery_that_nobody_takes_is_parked() -> None:
    handler = Recorder()
    publish(1)
    relay.spread({"thing.happened": {"renamed": handler}})
    relay.run({"thing.happened": {"one": Recorder()}})
    parked = Delivery.objects.get(handler="renamed")
    assert (parked.parked_at is not None, parked.attempts) == (True, 0)
    assert alerts() == [("delivery_parked", "renamed")]

    relay.run({"thing.happened": {"renamed": handler}})
    assert (handler.seen, Delivery.objects.count()) == ([1], 0)


def test_failed_delivery_is_not_taken_up_by_itself() -> None:
    poison = Recorder(poison=1)
    publish(1)
    for _ in range(9):
        relay.run({"thing.happened": {"one": poison}})
        Delivery.objects.update(due_at=timezone.now())
    parked = Delivery.objects.get()
    assert (parked.parked_at is not None, parked.is_unknown, parked.attempts) == (True, False, 8)
    assert alerts() == [("delivery_parked", "one")]


def test_button_delivers_what_was_unknown() -> None:
    row = Delivery.objects.create(
        handler="unknown",
        event="order.closed",
        subject_id=0,
        event_at=timezone.now(),
        parked_at=timezone.now(),
    )
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    answer = client.post(f"/admin/rails/delivery/{row.pk}/do/retry/", follow=True)
    assert answer.status_code == 200
    handlers = Delivery.objects.values_list("handler", flat=True)
    assert sorted(handlers) == sorted(FLOW["order.closed"])


def test_spread_events_are_forgotten_after_an_hour() -> None:
    publish(1)
    relay.run({"thing.happened": {"one": Recorder()}})
    assert deploys.forget_old() == 0
    SpreadBatch.objects.update(spread_at=timezone.now() - deploys.KEPT)
    assert deploys.forget_old() == 1
