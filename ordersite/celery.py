"""The Celery application. Its tasks call the same functions as the loops of `manage.py work`.

Queues stand in `ordersite.settings` (CELERY_…), what runs by the clock in `ordersite.schedule`.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import signals

from ordersite.queue.bounded_celery import BoundedCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ordersite.settings")
app = BoundedCelery("ordersite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_logging(*, loglevel: int | str | None = None, **_ignored: Any) -> None:
    """Keep the site's log handlers: those that Celery would add print errors as they are, personal data included."""
    if loglevel is not None:
        logging.getLogger().setLevel(loglevel)


@signals.worker_init.connect
@signals.beat_init.connect
def write_for_the_owner_alone(**_ignored: Any) -> None:
    os.umask(0o077)
