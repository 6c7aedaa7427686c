"""Celery beat that is seen: what it hands to the broker is recorded, so that a beat that is gone or cut off is noticed."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import PersistentScheduler
from django.db import DatabaseError, connection

from ordersite.health.heartbeat import record_process

logger = logging.getLogger(__name__)


class WatchedScheduler(PersistentScheduler):
    """Records the process `beat` whenever the broker took a task from it."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        sent = super().apply_async(*args, **kwargs)
        try:
            record_process("beat")
        except DatabaseError as error:  # it goes on: the workers are woken all the same
            logger.warning("beat was not recorded: %s", error.__class__.__name__)
            connection.close_if_unusable_or_obsolete()
        return sent
