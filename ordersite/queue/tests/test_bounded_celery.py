"""Messages do not depend on two clocks that agree, and do not pile up while no worker takes them."""

from __future__ import annotations

from celery import Celery
from django.conf import settings

from ordersite.queue.bounded_celery import MOST_WAITING, BoundedCelery

NAME = "rails.run_relay"


def in_memory() -> Celery:
    app = BoundedCelery("test", set_as_current=False)
    app.conf.update(broker_write_url="memory://", broker_read_url="memory://", task_default_queue="bounded")
    return app


def waiting(app: Celery) -> list[dict[str, object]]:
    found = []
    with app.connection_for_read() as connection, connection.SimpleQueue("bounded") as queue:
        while queue.qsize():
            message = queue.get(block=False)
            message.ack()
            found.append(message.headers)
    return found


def test_no_message_bears_a_time_of_two_clocks() -> None:
    app = in_memory()
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        app.send_task(entry["task"], **entry.get("options", {}))
    headers = waiting(app)
    assert len(headers) == len(settings.CELERY_BEAT_SCHEDULE)
    assert {(one["expires"], one["eta"]) for one in headers} == {(None, None)}


def test_a_queue_without_worker_stays_short() -> None:
    app = in_memory()
    sent = [app.send_task(NAME) for _ in range(MOST_WAITING + 50)]
    assert all(one.id for one in sent), "beat writes it into its log"
    assert len(waiting(app)) == MOST_WAITING

    app.send_task(NAME)
    assert len(waiting(app)) == 1


def test_a_message_with_arguments_is_never_dropped() -> None:
    app = in_memory()
    for number in range(MOST_WAITING + 5):
        app.send_task(NAME, [number])
    assert len(waiting(app)) == MOST_WAITING + 5
