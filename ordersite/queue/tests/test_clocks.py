"""Hosts whose clocks differ by an hour share the work all the same, and the difference is shown."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from orders.tests.web import database_url
from ordersite.database import clock
from ordersite.health.models import Alert
from ordersite.queue.bounded_celery import BoundedCelery
from ordersite.queue.clock_watch import watch
from ordersite.queue.models import Delivery
from scripts.processes import kill_family, wait_until
from scripts.services import Server, new_folder, start_redis

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

# A Celery worker on a host whose clock differs.
WORKER = """
import sys
import time_machine
from datetime import datetime, timedelta, timezone
time_machine.travel(datetime.now(timezone.utc) + timedelta(hours=int(sys.argv.pop(1))), tick=True).start()
from celery.__main__ import main
sys.argv[1:] = "-A ordersite worker --loglevel warning --pool solo --without-mingle --without-gossip".split()
main()
"""


@pytest.fixture
def redis() -> Iterator[Server]:
    server = start_redis(new_folder("clocks") / "redis")
    yield server
    server.stop()


def due_delivery() -> Delivery:
    """An event about an order that does not exist: its handler has nothing to do."""
    return Delivery.objects.create(
        handler="payments.close_after_order",
        event="order.closed",
        subject_id=0,
        event_at=datetime.now(tz=UTC),
    )


@pytest.mark.kill
@pytest.mark.parametrize("hours", [1, -1])
def test_worker_with_another_clock_works(redis: Server, hours: int) -> None:
    own = {"DATABASE_URL": database_url(), "CELERY_BROKER_URL": redis.url, "REDIS_URL": ""}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(hours)], env={**os.environ, **own}, start_new_session=True
    )
    row = due_delivery()
    sender = BoundedCelery("test", set_as_current=False)
    sender.conf.update(broker_write_url=redis.url, task_default_queue="ordersite")
    try:
        sender.send_task("rails.run_relay")
        assert wait_until(lambda: not Delivery.objects.filter(pk=row.pk).exists(), 40)
        alert = Alert.objects.get(kind="clock_skew")
        assert abs(float(alert.text.split()[0]) - hours * 3600) < 10
    finally:
        kill_family(worker.pid)
        worker.wait()


@pytest.fixture
def own_clock() -> Iterator[None]:
    yield
    clock.process_clock.set(None)
    watch.skew = 0.0


@pytest.mark.usefixtures("own_clock")
def test_process_goes_by_the_databases_clock() -> None:
    an_hour_ahead = clock.Fix(datetime.now(tz=UTC) + timedelta(hours=1), clock.counted())
    clock.process_clock.set(an_hour_ahead)
    assert timedelta(minutes=59) < timezone.now() - datetime.now(tz=UTC) < timedelta(minutes=61)
    assert due_delivery().due_at > datetime.now(tz=UTC) + timedelta(minutes=59), "defaults of models too"

    watch.look()
    assert abs(timezone.now() - datetime.now(tz=UTC)) < timedelta(seconds=2)


@pytest.mark.serial
@pytest.mark.usefixtures("own_clock")
def test_skew_is_measured_alarmed_and_healed() -> None:
    Alert.objects.create(kind="clock_skew", subject="other", text="-61.0 s")
    watch.skew = 3.5
    watch.tell()
    shown = Client().get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    assert 'ordersite_clock_skew_seconds{host="other"} -61.0' in shown
    assert "} 3.5\n" in shown
    assert sorted(Alert.objects.values_list("text", flat=True)) == ["+3.5 s", "-61.0 s"]

    started = time.monotonic()
    watch.look()
    assert (abs(watch.skew) < 1, time.monotonic() - started < 1) == (True, True)
    assert Alert.objects.get(closed_at__isnull=True).subject == "other"
