"""`work`: everything that runs by the clock, in one process, on its own clock, with no broker at all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from celery import current_app
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from ordersite.database import server_defaults
from ordersite.health.heartbeat import last_end, record_process, recorded
from ordersite.queue import clock_watch
from ordersite.queue.loops import Loop, run_for_ever
from ordersite.schedule import DAILY, RHYTHMS, Daily

DRAIN = "payments.drain_notifications"
DAILY_LOOK_SECONDS = 60


class Command(BaseCommand):
    help = (
        "Does everything that runs by the clock until it is stopped (SIGTERM or Ctrl-C): the only worker where there is"
        " no broker, and with --standby the one that goes on beside Celery when the broker is away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drainers", type=int, default=1, help="threads that apply notifications")
        parser.add_argument(
            "--standby", action="store_true", help="beside Celery: by the slower rhythm of beat"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        server_defaults.refuse_missing()
        clock_watch.watch.start()
        run_for_ever(list(loops(options["drainers"], is_standby=options["standby"])), stop=stop)


def loops(drainers: int, *, is_standby: bool) -> Iterator[Loop]:
    """Yield a loop for each task of the clock, and `drainers` for notifications."""
    for one in RHYTHMS:
        run = seen(recorded(one.task, task_function(one.task)))
        for number in range(drainers if one.task == DRAIN else 1):
            name = f"{one.task} {number}" if number else one.task
            yield Loop(name, run, one.pause(is_standby=is_standby))
    for daily in DAILY:
        yield Loop(daily.task, once_a_day(daily), DAILY_LOOK_SECONDS)


def seen(run: Callable[[], object]) -> Callable[[], None]:
    """Wrap a loop so that this process is seen to work."""

    def run_and_record() -> None:
        run()
        record_process("clock")

    return run_and_record


def task_function(name: str) -> Callable[[], object]:
    """Return what the Celery task of this name runs. Raises KeyError for a task that nobody defined."""
    current_app.loader.import_default_modules()
    return current_app.tasks[name].run


def once_a_day(daily: Daily) -> Callable[[], None]:
    """Run a daily task unless it ended well, here or elsewhere, since it was last due."""
    run = recorded(daily.task, task_function(daily.task))

    def look() -> None:
        done = last_end(daily.task)
        if done is None or done < daily.last_due(timezone.localtime()):
            run()

    return look
