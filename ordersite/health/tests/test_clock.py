"""What runs by the clock: beat and `work` do the same, its good ends are recorded, a standstill is noticed."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from celery import current_app
from celery.beat import PersistentScheduler, SchedulingError
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from ordersite.health import alert_mail, apps, heartbeat
from ordersite.health.models import Alert, Heartbeat
from ordersite.health.watched_beat import WatchedScheduler
from ordersite.lib.china_time import BEIJING
from ordersite.management.commands import work
from ordersite.schedule import DAILY, RHYTHMS, Daily

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_recorder", heartbeat._Recorder())


def test_beat_and_work_do_the_same() -> None:
    by_beat = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    by_work = {loop.name for loop in work.loops(1, is_standby=False)}
    assert by_beat == by_work == {one.task for one in (*RHYTHMS, *DAILY)}


def test_every_task_of_the_clock_exists() -> None:
    current_app.loader.import_default_modules()
    assert [one.task for one in (*RHYTHMS, *DAILY) if one.task not in current_app.tasks] == []


def test_beside_celery_it_keeps_to_the_rhythm_of_beat() -> None:
    pauses = {loop.name: loop.every for loop in work.loops(2, is_standby=True)}
    alone = {loop.name: loop.every for loop in work.loops(2, is_standby=False)}
    drain = "payments.drain_notifications"
    assert (pauses[drain], pauses[f"{drain} 1"], alone[drain]) == (3, 3, 0.2)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 28, 3, 29, tzinfo=BEIJING), datetime(2026, 11, 27, 3, 30, tzinfo=BEIJING)),
        (datetime(2026, 11, 28, 3, 30, tzinfo=BEIJING), datetime(2026, 11, 28, 3, 30, tzinfo=BEIJING)),
    ],
)
def test_last_time_that_a_daily_task_was_due(now: datetime, due: datetime) -> None:
    assert Daily("x", time(3, 30)).last_due(now) == due


def test_daily_task_runs_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where beat's worker has done it, `work` leaves it; where nobody has, it runs."""
    runs: list[str] = []
    monkeypatch.setattr(work, "task_function", lambda name: lambda: runs.append(name))
    look = work.once_a_day(DAILY[0])
    look()
    look()
    assert runs == ["orders.write_anchor"]

    Heartbeat.objects.update(at=timezone.now() - timedelta(days=2))
    work.once_a_day(DAILY[0])()
    assert runs == ["orders.write_anchor"] * 2


def test_good_ends_are_recorded_and_bad_ones_not() -> None:
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        heartbeat.recorded("a", fails)()
    heartbeat.recorded("b", lambda: None)()
    assert [one.task for one in Heartbeat.objects.all()] == ["b"]


def test_record_costs_a_statement_in_ten_seconds(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        for _time in range(50):
            heartbeat.record("a")


def test_worker_records_tasks_of_the_clock_alone() -> None:
    for name in ("payments.drain_notifications", "celery.backend_cleanup"):
        apps.record_success(sender=task(name, "ordersite"))
    done = Heartbeat.objects.exclude(task__startswith="process.")
    assert [one.task for one in done] == ["payments.drain_notifications"]


def task(name: str, queue: str) -> Any:
    """What Celery hands to its signals: a task of this name that came by this queue."""
    request = type("Request", (), {"is_eager": False, "delivery_info": {"routing_key": queue}})
    return type("Task", (), {"name": name, "request": request})


def test_each_kind_of_process_is_seen_by_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    apps.record_success(sender=task("payments.send_staff_mail", "outside"))
    apps.record_success(sender=task("rails.run_relay", "ordersite"))
    monkeypatch.setattr(work, "task_function", lambda name: lambda: None)
    next(work.loops(1, is_standby=True)).run()
    monkeypatch.setattr(PersistentScheduler, "apply_async", lambda *args, **kwargs: "sent")
    WatchedScheduler(current_app, lazy=True).apply_async(None)

    seen = Heartbeat.objects.filter(task__startswith="process.").values_list("task", flat=True)
    assert sorted(seen) == ["process.beat", "process.clock", "process.outside", "process.worker"]


def test_beat_that_reaches_no_broker_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise SchedulingError("no broker")

    monkeypatch.setattr(PersistentScheduler, "apply_async", refuse)
    with pytest.raises(SchedulingError):
        WatchedScheduler(current_app, lazy=True).apply_async(None)
    assert not Heartbeat.objects.exists()


def test_missing_process_is_named_until_it_works_again() -> None:
    """In the alerts and on the home page; one that was taken away for good is forgotten after a week."""
    beating()
    Heartbeat.objects.create(task="process.beat", at=timezone.now() - timedelta(minutes=2), process="x")
    Heartbeat.objects.create(task="process.worker", at=timezone.now(), process="x")
    Heartbeat.objects.create(task="process.outside", at=timezone.now() - timedelta(days=8), process="x")
    assert [one.task for one in heartbeat.missing_processes(timezone.now())] == ["beat"]
    alert_mail.tend_alerts()
    assert list(Alert.objects.values_list("kind", "subject")) == [("standstill", "beat")]
    assert "没有动静的进程：beat" in home_of_operations()

    heartbeat.record_process("beat")
    alert_mail.tend_alerts()
    assert not Alert.objects.filter(closed_at__isnull=True).exists()


def beating(**minutes_ago: float) -> None:
    """All tasks ended well just now; those named by their last part so many minutes ago."""
    now = timezone.now()
    for one in (*RHYTHMS, *DAILY):
        ago = minutes_ago.get(one.task.partition(".")[2], 0)
        Heartbeat.objects.create(task=one.task, at=now - timedelta(minutes=ago), process="here 1")


def test_standstill_is_an_alert_until_it_moves() -> None:
    beating(drain_notifications=2, verify_history=60 * 27, fetch_bills=20)
    alert_mail.tend_alerts()
    assert sorted(Alert.objects.values_list("kind", "subject")) == [
        ("standstill", "orders.verify_history"), ("standstill", "payments.drain_notifications"),
    ]  # fmt: skip

    alert_mail.tend_alerts()
    assert set(Alert.objects.values_list("count", flat=True)) == {1}

    Heartbeat.objects.update(at=timezone.now())
    alert_mail.tend_alerts()
    assert not Alert.objects.filter(closed_at__isnull=True).exists()


def test_new_installation_stands_still_in_nothing() -> None:
    assert heartbeat.standing_still(timezone.now()) == []
    heartbeat.record("payments.drain_notifications")
    assert heartbeat.standing_still(timezone.now()) == []


def test_home_page_shows_a_standstill() -> None:
    """The light needs nobody who works by the clock."""
    words = "项定时任务停滞"
    beating()
    assert words not in home_of_operations()
    Heartbeat.objects.filter(task="payments.drain_notifications").update(
        at=timezone.now() - timedelta(minutes=2)
    )
    assert words in home_of_operations()


def home_of_operations() -> str:
    operator, _made = User.objects.get_or_create(username="ops", is_staff=True)
    operator.groups.add(Group.objects.get(name="operations"))
    client = Client()
    client.force_login(operator)
    return client.get("/admin/").content.decode()


def test_metrics_have_the_ages(client: Client) -> None:
    beating(drain_notifications=2)
    lines = client.get("/metrics").content.decode().splitlines()
    [line] = [
        one
        for one in lines
        if one.startswith('ordersite_clock_age_seconds{task="payments.drain_notifications"}')
    ]
    assert 119 < float(line.split()[-1]) < 140
