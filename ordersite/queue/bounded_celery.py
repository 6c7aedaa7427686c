"""Celery whose queues do not grow without end while no worker is there.

A wake-up carries nothing: a thousand of them say what one says. An expiry would bound them too, but it is a time of the
sender's clock compared with the receiver's: a worker whose clock was a minute ahead discarded every task, at INFO.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.utils import uuid
from kombu.common import maybe_declare

MOST_WAITING = 100


class BoundedCelery(Celery):
    """Drops a message without arguments where MOST_WAITING already wait in its queue."""

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        if not args and not kwargs and self._waiting(name, options.get("producer")) >= MOST_WAITING:
            return self.AsyncResult(options.get("task_id") or uuid())
        return super().send_task(name, args, kwargs, **options)

    def _waiting(self, name: str, producer: Any) -> int:
        """How many messages wait in the queue of this task; 0 where the broker does not say."""
        queue = self.amqp.router.route({}, name)["queue"]
        with self.producer_or_acquire(producer) as held:
            connection = held.connection
            try:
                maybe_declare(queue, held.channel)
                return int(held.channel.queue_declare(queue=queue.name, passive=True).message_count)
            except (*connection.channel_errors, *connection.recoverable_connection_errors):
                return 0
